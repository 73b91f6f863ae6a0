// Rows that stand in an upload's files byte for byte: they can be read again where they lie, so that nothing has to be stored twice.
import type { UploadFormat } from '../contracts/screening-job.ts';
import { elementArrays } from '../maths/tensor.ts';
import type { ByteSource } from './byte-source.ts';
import { onlyFile } from './check-upload.ts';
import { cifarBatch, cifarRecordBytes } from './cifar-binary.ts';
import { openIdx } from './idx.ts';
import { isGzipped } from './inflate.ts';
import { npzLabels, openNpz } from './npz.ts';
import { type ImageRows, pixelsOf } from './row-batches.ts';
import {
  defaultUploadLimits,
  type ExampleBatch,
  imageBytes,
  invalidUpload,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
} from './upload.ts';
import { contentStart } from './zip-entry.ts';

/** Rows of an upload as ranges of its files. */
export interface DirectRows {
  /**
   * Reads one batch as `readUpload` gave it.
   * @throws GuardError `invalid_dataset` where the files are not what they were
   */
  read(batch: { readonly firstRow: number; readonly examples: number }): Promise<ExampleBatch>;
}

type OpenRows = (
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
) => Promise<DirectRows | undefined>;

const openers: Readonly<Record<UploadFormat, OpenRows>> = {
  tar: () => Promise.resolve(undefined),
  npz: openNpzRows,
  idx: openIdxRows,
  'cifar-binary': openCifarRows,
};

/**
 * Opens an upload whose rows stand in its files uncompressed; undefined where they do not. Meant for one that was read whole, or is
 * being read: range and checksum are not looked at again.
 * @throws GuardError where the headers are not those of such an upload
 */
export async function openDirectRows(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits = defaultUploadLimits,
): Promise<DirectRows | undefined> {
  return openers[options.format](files, options, limits);
}

async function openIdxRows(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): Promise<DirectRows | undefined> {
  if (await areGzipped(files)) return undefined;
  const { images, labels, shape } = await openIdx(files, options, limits);
  // Magic, then one extent an axis: the labels have one, grey images three, others four.
  const startOf = async ({ source }: UploadFile) => 4 + 4 * (await source.read(3, 1))[0];
  const [imagesAt, labelsAt] = await Promise.all([startOf(images), startOf(labels)]);
  const rows = { name: images.name, shape, datatype: 'UINT8', layout: 'nchw' } as const;
  return rowsAt(rows, { source: images.source, start: imagesAt }, async (firstRow, examples) => {
    return new Int32Array(await rangeOf(labels.source, { offset: labelsAt + firstRow, length: examples }));
  });
}

async function openNpzRows(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): Promise<DirectRows | undefined> {
  const file = onlyFile(files);
  const { images, labels, datatype, layout } = await openNpz(file, options, limits);
  if (images.entry.deflated || labels.entry.deflated) return undefined;
  const [imagesAt, labelsAt] = await Promise.all(
    [images, labels].map(
      async (array) => (await contentStart(file, array.entry, array.name)) + array.headerBytes,
    ),
  );
  const { source } = file;
  const size = elementArrays[labels.header.datatype].BYTES_PER_ELEMENT;
  const rows = { name: images.name, datatype, ...layout };
  return rowsAt(rows, { source, start: imagesAt }, async (firstRow, examples) => {
    const range = { offset: labelsAt + firstRow * size, length: examples * size };
    return npzLabels(await rangeOf(source, range), labels, { firstRow, options, limits });
  });
}

async function openCifarRows(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): Promise<DirectRows | undefined> {
  if (await areGzipped(files)) return undefined;
  const size = cifarRecordBytes(options);
  return {
    async read({ firstRow, examples }) {
      // A batch lies within one file.
      let row = firstRow;
      for (const { name, source } of files) {
        const records = Math.floor(source.size / size);
        if (row < records) {
          const bytes = await rangeOf(source, { offset: row * size, length: examples * size });
          return cifarBatch(bytes, { row: firstRow, name, options, limits });
        }
        row -= records;
      }
      throw invalidUpload(`the upload has no example ${firstRow} any more`);
    },
  };
}

/** Images one behind the other from a place of a file on, and their labels. */
function rowsAt(
  rows: Omit<ImageRows, 'labels'>,
  { source, start }: { source: ByteSource; start: number },
  labelsOf: (firstRow: number, examples: number) => Promise<Int32Array<ArrayBuffer>>,
): DirectRows {
  const size = imageBytes(rows);
  return {
    async read({ firstRow, examples }) {
      const range = { offset: start + firstRow * size, length: examples * size };
      const [bytes, labels] = await Promise.all([rangeOf(source, range), labelsOf(firstRow, examples)]);
      return { firstRow, labels, pixels: pixelsOf(bytes, rows) };
    },
  };
}

async function areGzipped(files: readonly UploadFile[]): Promise<boolean> {
  return (await Promise.all(files.map(({ source }) => isGzipped(source)))).includes(true);
}

/** A range in a buffer of its own, so that numbers of any size can be read in place. */
async function rangeOf(
  source: ByteSource,
  { offset, length }: { offset: number; length: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await source.read(offset, length);
  if (bytes.length < length) throw invalidUpload('a file of the upload is shorter than it was');
  const isOwn = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return isOwn ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
