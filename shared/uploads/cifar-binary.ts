// CIFAR's binary version as a stream: records of one label (CIFAR-100: two) and 3 x 32 x 32 bytes, plain or gzipped.
import { ByteReader } from './byte-reader.ts';
import {
  checkClasses,
  checkExamples,
  checkLabel,
  checkShape,
  countClasses,
  summaryOf,
} from './check-upload.ts';
import { plainBytes } from './inflate.ts';
import { batchRows } from './row-batches.ts';
import {
  type ExampleBatch,
  type ImageShape,
  imageBytes,
  invalidUpload,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
  type UploadSummary,
} from './upload.ts';

/** Red, green and blue, as the records have them. */
export const cifarShape: ImageShape = [3, 32, 32];
const pixelBytes = imageBytes({ shape: cifarShape, datatype: 'UINT8' });

/** Bytes of one record. */
export function cifarRecordBytes({ cifarClasses = 10 }: Pick<UploadOptions, 'cifarClasses'>): number {
  return (cifarClasses === 100 ? 2 : 1) + pixelBytes;
}

/**
 * Reads the files one behind the other.
 * @see Krizhevsky, "The CIFAR-10 dataset", "Binary version"
 */
export async function* readCifarBinary(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): AsyncGenerator<ExampleBatch, UploadSummary, void> {
  const [{ name: firstName }] = files;
  checkShape({ shape: cifarShape, datatype: 'UINT8' }, { name: firstName, options, limits });
  const classCounts: number[] = [];
  let row = 0;
  for (const file of files) {
    for await (const records of recordBatches(file, options, limits)) {
      const batch = cifarBatch(records, { row, name: file.name, options, limits });
      countClasses(batch.labels, classCounts);
      row += batch.labels.length;
      checkExamples(row, firstName, limits);
      yield batch;
    }
  }
  checkExamples(row, firstName, limits);
  checkClasses(classCounts, firstName);
  return summaryOf(classCounts);
}

/** Whole records, some at a time. */
async function* recordBatches(
  file: UploadFile,
  options: UploadOptions,
  limits: UploadLimits,
): AsyncGenerator<Uint8Array, void, void> {
  const size = cifarRecordBytes(options);
  const reader = new ByteReader(plainBytes(file, limits));
  try {
    let records = 0;
    for (;;) {
      const bytes = new Uint8Array(size * batchRows(size, options, limits));
      const filled = await reader.fill(bytes);
      if (filled % size !== 0) {
        const detail = `it ends within record ${records + Math.floor(filled / size)} of ${size} bytes`;
        throw invalidUpload(
          `${file.name} is cut short or no CIFAR-${options.cifarClasses ?? 10} file: ${detail}`,
        );
      }
      if (filled > 0) yield bytes.subarray(0, filled);
      if (filled < bytes.length) break;
      records += filled / size;
    }
  } finally {
    await reader.close();
  }
}

/** The batch that some whole records are. */
export function cifarBatch(
  records: Uint8Array,
  { row, name, options, limits }: { row: number; name: string; options: UploadOptions; limits: UploadLimits },
): ExampleBatch {
  const size = cifarRecordBytes(options);
  const count = records.length / size;
  const labels = new Int32Array(count);
  const data = new Uint8Array(count * pixelBytes);
  const own = { ...options, classes: Math.min(options.cifarClasses ?? 10, options.classes ?? Infinity) };
  for (let record = 0; record < count; record++) {
    const pixelsAt = (record + 1) * size - pixelBytes;
    labels[record] = checkLabel(records[pixelsAt - 1], { row: row + record, name, options: own, limits });
    data.set(records.subarray(pixelsAt, pixelsAt + pixelBytes), record * pixelBytes);
  }
  return { firstRow: row, labels, pixels: { shape: cifarShape, datatype: 'UINT8', data } };
}
