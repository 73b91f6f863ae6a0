// What every format's examples must keep: their number, their labels, their size and shape.
import { GuardError } from '../errors.ts';
import {
  type ImageShape,
  imageBytes,
  invalidUpload,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
  type UploadSummary,
} from './upload.ts';

/**
 * Refuses an upload without examples or with too many.
 * @throws GuardError
 */
export function checkExamples(count: number, name: string, limits: UploadLimits): void {
  if (count === 0) throw invalidUpload(`${name} has no examples`);
  if (count > limits.examples) {
    throw new GuardError(
      'body_too_large',
      `${name} has ${count} examples, more than the ${limits.examples} that are screened at once`,
    );
  }
}

/**
 * Refuses images without pixels, too large ones and those that the model does not read.
 * @throws GuardError
 */
export function checkShape(
  images: { readonly shape: ImageShape; readonly datatype: 'UINT8' | 'FP32' },
  { name, options, limits }: { name: string; options: UploadOptions; limits: UploadLimits },
): void {
  const size = imageBytes(images);
  const said = images.shape.join(', ');
  if (size === 0) throw invalidUpload(`${name} has images of shape [${said}], without pixels`);
  if (size > limits.exampleBytes) {
    throw new GuardError(
      'body_too_large',
      `${name} has images of shape [${said}], ${size} bytes each; ${limits.exampleBytes} are read`,
    );
  }
  if (options.shape !== undefined && images.shape.join() !== options.shape.join()) {
    throw invalidUpload(
      `${name} has images of shape [${said}] (channels, height, width), the model reads [${options.shape.join(', ')}]`,
    );
  }
}

/**
 * Refuses a label that is no class.
 * @param row example whose label it is
 * @throws GuardError `invalid_dataset`
 */
export function checkLabel(
  label: number | bigint,
  { row, name, options, limits }: { row: number; name: string; options: UploadOptions; limits: UploadLimits },
): number {
  const classes = options.classes ?? limits.classes;
  if (label >= 0 && label < classes) return Number(label);
  const whose = options.classes === undefined ? 'are read at most' : 'has the model';
  throw invalidUpload(`${name} has the label ${label} at example ${row}; ${classes} classes ${whose}`);
}

/** Examples by label. */
export function countClasses(labels: ArrayLike<number>, counts: number[] = []): number[] {
  for (let row = 0; row < labels.length; row++) {
    while (counts.length <= labels[row]) counts.push(0);
    counts[labels[row]]++;
  }
  return counts;
}

/**
 * Refuses an upload of one class, of which a screening could compare nothing.
 * @throws GuardError `invalid_dataset`
 */
export function checkClasses(classCounts: readonly number[], name: string): void {
  if (classCounts.filter((count) => count > 0).length > 1) return;
  const label = classCounts.findIndex((count) => count > 0);
  throw invalidUpload(`every example of ${name} has the label ${label}; two classes are needed`);
}

/** Sums up an upload of known labels. */
export function summaryOf(classCounts: readonly number[]): UploadSummary {
  return { examples: classCounts.reduce((sum, count) => sum + count, 0), classCounts };
}

/**
 * The file of a format that has one.
 * @throws GuardError `invalid_dataset` where there are more
 */
export function onlyFile(files: readonly UploadFile[]): UploadFile {
  if (files.length > 1) throw invalidUpload(`the upload is one file; ${files.length} came`);
  return files[0];
}
