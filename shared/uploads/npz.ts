// NumPy's archive of an array of images and one of labels, as a stream: a zip file of .npy files, stored or deflated.
import { type Datatype, elementArrays, elementCount } from '../maths/tensor.ts';
import { ByteReader } from './byte-reader.ts';
import {
  checkClasses,
  checkExamples,
  checkLabel,
  checkShape,
  countClasses,
  onlyFile,
  summaryOf,
} from './check-upload.ts';
import { type ImageLayout, layoutOf } from './image-layout.ts';
import { type NpyHeader, readNpyHeader } from './npy-header.ts';
import { rowBatches } from './row-batches.ts';
import {
  type ExampleBatch,
  invalidUpload,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
  type UploadSummary,
} from './upload.ts';
import { readZipDirectory, type ZipEntry } from './zip-directory.ts';
import { zipEntryBytes } from './zip-entry.ts';

/** Names that the two arrays have where the options do not say. */
const usualArrays = [
  { images: 'x', labels: 'y' },
  { images: 'images', labels: 'labels' },
] as const;

/** The two arrays, and what their headers say. */
export interface NpzArrays {
  readonly images: NpyArray;
  readonly labels: NpyArray;
  readonly datatype: 'UINT8' | 'FP32';
  readonly layout: ImageLayout;
}

interface NpyArray {
  readonly name: string;
  readonly header: NpyHeader;
  readonly entry: ZipEntry;
  /** Bytes in front of the first element. */
  readonly headerBytes: number;
}

/**
 * Finds the arrays and reads their headers.
 * @throws GuardError where they are missing, of another type or shape, or do not belong together
 * @see NumPy, "numpy.savez" and "numpy.savez_compressed"
 */
export async function openNpz(
  file: UploadFile,
  options: UploadOptions,
  limits: UploadLimits,
): Promise<NpzArrays> {
  const entries = await readZipDirectory(file);
  const names = new Map(entries.map((entry) => [entry.name.replace(/\.npy$/, ''), entry]));
  // NumPy's versions differ in which of `x` and `x.npy` the array x is.
  if (names.size < entries.length) throw invalidUpload(`${file.name} has two arrays of one name`);
  const wanted =
    options.arrays ?? usualArrays.find((pair) => names.has(pair.images) && names.has(pair.labels));
  const [imagesEntry, labelsEntry] = [names.get(wanted?.images ?? ''), names.get(wanted?.labels ?? '')];
  if (imagesEntry === undefined || labelsEntry === undefined) {
    const asked = wanted === undefined ? 'x and y' : `${wanted.images} and ${wanted.labels}`;
    const there = [...names.keys()].slice(0, 10).join(', ') || 'none';
    throw invalidUpload(`${file.name} lacks the arrays ${asked}; it has: ${there}`);
  }
  const labels = await openArray(file, labelsEntry, limits);
  const images = await openArray(file, imagesEntry, limits);
  const { datatype, shape, fortranOrder } = images.header;
  if (datatype !== 'UINT8' && datatype !== 'FP32') {
    throw invalidUpload(`${images.name} holds ${datatype}; images are uint8 (0 to 255) or float32`);
  }
  // In another order the pixels of one image lie all over the file, which is not held whole.
  if (fortranOrder)
    throw invalidUpload(`${images.name} is in Fortran order; numpy.ascontiguousarray makes it C order`);
  checkExamples(shape[0] ?? 0, images.name, limits);
  const layout = layoutOf(shape, { name: images.name, options });
  checkShape({ shape: layout.shape, datatype }, { name: images.name, options, limits });
  if (labels.header.shape[0] !== shape[0] || elementCount(labels.header.shape) !== shape[0]) {
    const said = `[${labels.header.shape.join(', ')}]`;
    throw invalidUpload(
      `${images.name} has ${shape[0]} images, ${labels.name} has shape ${said}: one label each`,
    );
  }
  return { images, labels, datatype, layout };
}

/** Reads the archive; the labels are held, of the images a batch. */
export async function* readNpz(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): AsyncGenerator<ExampleBatch, UploadSummary, void> {
  const file = onlyFile(files);
  const arrays = await openNpz(file, options, limits);
  const labels = await readLabels(file, arrays.labels, { options, limits });
  const classCounts = countClasses(labels);
  checkClasses(classCounts, arrays.labels.name);
  const { name, entry } = arrays.images;
  const reader = new ByteReader(zipEntryBytes(file, entry, limits));
  try {
    await readNpyHeader(reader, name);
    const { datatype, layout } = arrays;
    yield* rowBatches(reader, { name, datatype, labels, ...layout }, { options, limits });
    // The checksum is known behind the last byte.
    await reader.atEnd();
  } finally {
    await reader.close();
  }
  return summaryOf(classCounts);
}

async function openArray(file: UploadFile, entry: ZipEntry, limits: UploadLimits): Promise<NpyArray> {
  const name = `${entry.name} in ${file.name}`;
  const reader = new ByteReader(zipEntryBytes(file, entry, limits));
  try {
    const { header, start } = await readNpyHeader(reader, name);
    const bytes = elementCount(header.shape) * elementArrays[header.datatype].BYTES_PER_ELEMENT;
    if (start + bytes !== entry.bytes) {
      const said = `[${header.shape.join(', ')}] of ${header.datatype}`;
      throw invalidUpload(
        `${name} has ${entry.bytes - start} bytes of elements, its shape ${said} says ${bytes}`,
      );
    }
    return { name, header, entry, headerBytes: start };
  } finally {
    await reader.close();
  }
}

async function readLabels(
  file: UploadFile,
  array: NpyArray,
  { options, limits }: { options: UploadOptions; limits: UploadLimits },
): Promise<Int32Array<ArrayBuffer>> {
  const { name, header, entry } = array;
  const { datatype } = header;
  if (!isWhole(datatype)) throw invalidUpload(`${name} holds ${datatype}; labels are whole numbers`);
  const reader = new ByteReader(zipEntryBytes(file, entry, limits));
  try {
    await readNpyHeader(reader, name);
    const bytes = new Uint8Array(elementCount(header.shape) * elementArrays[datatype].BYTES_PER_ELEMENT);
    await reader.fill(bytes);
    await reader.atEnd();
    return npzLabels(bytes, array, { firstRow: 0, options, limits });
  } finally {
    await reader.close();
  }
}

/**
 * The labels that some elements of their array are.
 * @param bytes of whole elements, from the beginning of their buffer on
 * @throws GuardError where one is no label
 */
export function npzLabels(
  bytes: Uint8Array<ArrayBuffer>,
  { name, header }: Pick<NpyArray, 'name' | 'header'>,
  { firstRow, options, limits }: { firstRow: number; options: UploadOptions; limits: UploadLimits },
): Int32Array<ArrayBuffer> {
  const values = new elementArrays[header.datatype](bytes.buffer);
  const labels = new Int32Array(values.length);
  for (let place = 0; place < values.length; place++) {
    labels[place] = checkLabel(values[place], { row: firstRow + place, name, options, limits });
  }
  return labels;
}

function isWhole(datatype: Datatype): boolean {
  return datatype !== 'FP32' && datatype !== 'FP64';
}
