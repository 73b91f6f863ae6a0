// The cleaned copy of a data set: all rows but the suspects, in the format of its source where that is written here.
import { readFile } from 'node:fs/promises';
import { GuardError } from '../../shared/errors.ts';
import { elementArrays, elementCount, int64Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import { cifarRecordBytes } from '../../shared/uploads/cifar-binary.ts';
import { readUpload } from '../../shared/uploads/read-upload.ts';
import type { ExampleBatch } from '../../shared/uploads/upload.ts';
import { gunzipped } from '../datasets/gzipped-file.ts';
import { parseIdx } from '../datasets/idx.ts';
import { npzArrayNames, readNpz, writeNpz } from '../datasets/npz.ts';
import type { UploadSource } from '../datasets/upload-source.ts';
import { decodeImage } from '../images/sharp-image.ts';
import { readOptions, type ScreenUploadOptions } from './screen-upload.ts';

/** A file of the copy. */
export interface CleanFile {
  /** What is appended to the name that the user gave; empty where the copy is one file. */
  readonly suffix: string;
  readonly bytes: Uint8Array;
}

/** What a copy leaves out. */
export type CleanCopyOptions = Pick<ScreenUploadOptions, 'source' | 'extractor' | 'layout' | 'arrays'> & {
  readonly suspects: ReadonlySet<number>;
};

/** What is appended to the name of a copy's files. */
export function copySuffixes({ format }: Pick<UploadSource, 'format'>): readonly string[] {
  return format === 'idx' ? ['-images-idx3-ubyte', '-labels-idx1-ubyte'] : [''];
}

/**
 * Makes the copy: of an npz file its two arrays in their types and layout, of IDX its two files, of CIFAR's binary version one file
 * of records, of anything else an npz file of `x` [N, C, H, W] and `y`. Rows keep their order. It is held in memory whole.
 * @throws GuardError `invalid_dataset` where the files are not what they were
 */
export async function cleanCopy(options: CleanCopyOptions): Promise<CleanFile[]> {
  const { source, suspects } = options;
  const [path] = source.paths;
  if (source.format === 'npz' && path !== undefined) return [await cleanNpz(path, options)];
  if (source.format === 'idx') return cleanIdx(source, suspects);
  if (source.format === 'cifar-binary') return [await cleanCifar(source, suspects)];
  return [await npzOfBatches(options)];
}

async function cleanNpz(path: string, { arrays, suspects }: CleanCopyOptions): Promise<CleanFile> {
  const bytes = await readFile(path);
  const present = npzArrayNames(bytes, path);
  const pairs =
    arrays === undefined
      ? [
          ['x', 'y'],
          ['images', 'labels'],
        ]
      : [[arrays.images, arrays.labels]];
  const names = pairs.find((pair) => pair.every((name) => present.includes(name)));
  if (names === undefined) throw new GuardError('invalid_dataset', `${path} has no such arrays any more`);
  const read = readNpz(bytes, { name: path, arrays: names });
  const kept = names.map((name) => [name, withoutRows(read[name]!, suspects)]);
  return { suffix: '', bytes: writeNpz(Object.fromEntries(kept)) };
}

async function cleanIdx(source: UploadSource, suspects: ReadonlySet<number>): Promise<CleanFile[]> {
  const suffixes = copySuffixes(source);
  return Promise.all(
    source.paths.map(async (path, index) => {
      const { shape, values } = parseIdx(await readFile(path), path);
      const kept = withoutRows({ datatype: 'UINT8', shape, data: values }, suspects);
      const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
      // Two zeros, the type of unsigned bytes, the number of dimensions, their extents.
      header.setUint32(0, 0x0800 + shape.length);
      for (const [axis, extent] of kept.shape.entries()) header.setUint32(4 + 4 * axis, extent);
      const bytes = Buffer.concat([new Uint8Array(header.buffer), kept.data as Uint8Array]);
      return { suffix: suffixes[index], bytes };
    }),
  );
}

async function cleanCifar(source: UploadSource, suspects: ReadonlySet<number>): Promise<CleanFile> {
  const { cifarClasses, paths } = source;
  const size = cifarRecordBytes(cifarClasses === undefined ? {} : { cifarClasses });
  const files = await Promise.all(paths.map(async (path) => gunzipped(await readFile(path), path)));
  const data = Buffer.concat(files);
  const records: Tensor = { datatype: 'UINT8', shape: [data.length / size, size], data };
  return { suffix: '', bytes: withoutRows(records, suspects).data as Uint8Array };
}

async function npzOfBatches(options: CleanCopyOptions): Promise<CleanFile> {
  const { source, suspects, extractor } = options;
  const inputShape = extractor.compiled.model.input_shape;
  const parts: Tensor[] = [];
  const labels: number[] = [];
  for await (const batch of readUpload(source.files, readOptions(options))) {
    const { firstRow } = batch;
    const own = new Set([...batch.labels.keys()].filter((place) => suspects.has(firstRow + place)));
    parts.push(withoutRows(await pixelsOf(batch, inputShape), own));
    for (const [place, label] of batch.labels.entries()) if (!own.has(place)) labels.push(label);
  }
  const shape = [labels.length, ...inputShape];
  const [{ datatype }] = parts;
  const x = new elementArrays[datatype](elementCount(shape));
  let at = 0;
  for (const { data } of parts) {
    x.set(data as never, at);
    at += data.length;
  }
  const images: Tensor = { datatype, shape, data: x };
  return { suffix: '', bytes: writeNpz({ x: images, y: int64Tensor(labels, [labels.length]) }) };
}

async function pixelsOf(
  { labels, pixels, files, firstRow }: ExampleBatch,
  inputShape: readonly number[],
): Promise<Tensor> {
  const [channels, height, width] = inputShape;
  const shape = [labels.length, channels, height, width];
  if (files === undefined) return { datatype: pixels!.datatype, shape, data: pixels!.data };
  const decoded = await Promise.all(
    files.map(({ bytes, name }, place) =>
      decodeImage(bytes, { shape: [channels, height, width], name: `example ${firstRow + place} (${name})` }),
    ),
  );
  return { datatype: 'UINT8', shape, data: Buffer.concat(decoded) };
}

/** The rows of a tensor but some of them, in their order. */
function withoutRows(tensor: Tensor, left: ReadonlySet<number>): Tensor {
  const { datatype, shape, data } = tensor;
  const [rows, ...rest] = shape;
  const size = elementCount(rest);
  const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => !left.has(row));
  const own = new elementArrays[datatype](kept.length * size);
  for (const [place, row] of kept.entries()) {
    own.set(data.subarray(row * size, (row + 1) * size) as never, place * size);
  }
  return { datatype, shape: [kept.length, ...rest], data: own };
}
