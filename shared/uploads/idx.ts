// MNIST's IDX format as a stream: a file of images and one of labels, plain or gzipped.
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
import { rowBatches } from './row-batches.ts';
import {
  type ExampleBatch,
  type ImageShape,
  invalidUpload,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
  type UploadSummary,
} from './upload.ts';

/** The only element type that images and labels use here: unsigned byte. */
const unsignedByte = 0x08;

/** The two files by what they hold. */
export interface IdxFiles {
  readonly images: UploadFile;
  readonly labels: UploadFile;
  readonly examples: number;
  readonly shape: ImageShape;
}

/**
 * Finds out which file is which and reads their headers.
 * @throws GuardError where they are no such files or do not belong together
 * @see LeCun, Cortes, Burges: The MNIST database, "File formats"
 */
export async function openIdx(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): Promise<IdxFiles> {
  if (files.length !== 2) throw invalidUpload(`IDX has two files, images and labels; ${files.length} came`);
  const extents = await Promise.all(files.map((file) => withReader(file, limits, readExtents)));
  const which = extents.findIndex(({ length }) => length === 1);
  const other = 1 - which;
  if (which < 0 || extents[other].length < 3) {
    const said = files.map(({ name }, index) => `${name} has [${extents[index].join(', ')}]`).join(', ');
    throw invalidUpload(`one file holds labels [N], the other images [N, H, W] or [N, C, H, W]: ${said}`);
  }
  const [images, labels] = [files[other], files[which]];
  const [count, ...rest] = extents[other];
  if (count !== extents[which][0]) {
    throw invalidUpload(`${images.name} has ${count} images, ${labels.name} ${extents[which][0]} labels`);
  }
  checkExamples(count, images.name, limits);
  const [height, width] = rest.slice(-2);
  const shape: ImageShape = [rest.length === 3 ? rest[0] : 1, height, width];
  checkShape({ shape, datatype: 'UINT8' }, { name: images.name, options, limits });
  return { images, labels, examples: count, shape };
}

/** Reads both files; the labels are held, of the images a batch. */
export async function* readIdx(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): AsyncGenerator<ExampleBatch, UploadSummary, void> {
  const { images, labels: labelFile, examples, shape } = await openIdx(files, options, limits);
  const labels = await withReader(labelFile, limits, async (reader, name) => {
    await readExtents(reader, name);
    const bytes = new Uint8Array(examples);
    const filled = await reader.fill(bytes);
    if (filled < examples) throw invalidUpload(`${name} is cut short: ${filled} of ${examples} labels`);
    await checkEnd(reader, name, `${examples} labels`);
    return new Int32Array(bytes).map((label, row) => checkLabel(label, { row, name, options, limits }));
  });
  const classCounts = countClasses(labels);
  checkClasses(classCounts, labelFile.name);
  const reader = new ByteReader(plainBytes(images, limits));
  try {
    await readExtents(reader, images.name);
    const rows = { name: images.name, shape, datatype: 'UINT8', layout: 'nchw', labels } as const;
    yield* rowBatches(reader, rows, { options, limits });
    await checkEnd(reader, images.name, `${examples} images`);
  } finally {
    await reader.close();
  }
  return summaryOf(classCounts);
}

async function readExtents(reader: ByteReader, name: string): Promise<number[]> {
  const start = new Uint8Array(4);
  if ((await reader.fill(start)) < 4 || start[0] !== 0 || start[1] !== 0) {
    throw invalidUpload(`${name} is no IDX file`);
  }
  const [, , type, rank] = start;
  if (type !== unsignedByte) {
    throw invalidUpload(`${name} holds elements of type 0x${type.toString(16)}, not unsigned bytes`);
  }
  if (rank === 0 || rank > 4) throw invalidUpload(`${name} has ${rank} dimensions; 1, 3 and 4 are read`);
  const extents = new Uint8Array(4 * rank);
  if ((await reader.fill(extents)) < extents.length) throw invalidUpload(`${name} ends in its header`);
  const view = new DataView(extents.buffer);
  return Array.from({ length: rank }, (_, axis) => view.getUint32(4 * axis));
}

async function checkEnd(reader: ByteReader, name: string, said: string): Promise<void> {
  if (!(await reader.atEnd())) throw invalidUpload(`${name} goes on behind the ${said} that its header says`);
}

async function withReader<T>(
  file: UploadFile,
  limits: UploadLimits,
  read: (reader: ByteReader, name: string) => Promise<T>,
): Promise<T> {
  const reader = new ByteReader(plainBytes(file, limits));
  try {
    return await read(reader, file.name);
  } finally {
    await reader.close();
  }
}
