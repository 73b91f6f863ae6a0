// A tar archive of class folders as a stream: PNG and JPEG are kept as files, PPM becomes pixels.

import { checkShape, onlyFile } from './check-upload.ts';
import { type ClassFolders, checkHiddenImage, collectFolders, kindOfPath } from './class-folders.ts';
import { imageSize } from './image-size.ts';
import { isNetpbm, parseNetpbm } from './netpbm.ts';
import { pathHashes } from './path-hashes.ts';
import { tarEntries } from './tar-entries.ts';
import {
  type ExampleBatch,
  type ExampleFile,
  type ImageShape,
  invalidUpload,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
  type UploadSummary,
} from './upload.ts';

/** Paths of files left out that are told. */
const ignoredPathsMax = 20;

/** What a first reading of an archive finds. */
interface TarScan {
  readonly folders: ClassFolders;
  readonly ignored: { readonly files: number; readonly first: readonly string[] };
  readonly isRepeated: (path: string) => boolean;
}

/** One example as it came. */
type TarExample =
  | { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer>; readonly shape?: undefined }
  | { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer>; readonly shape: ImageShape };

/**
 * Reads an archive twice: its paths, which say what the labels are, then its files. Rows follow the archive's order.
 */
export async function* readTar(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
): AsyncGenerator<ExampleBatch, UploadSummary, void> {
  const file = onlyFile(files);
  const { folders, ignored, isRepeated } = await scan(file, options, limits);
  const examples = tarExamples(file, { options, limits, isRepeated });
  yield* inBatches(examples, { folders, options, limits });
  const { counts, names } = folders;
  const summary = { examples: counts.reduce((sum, n) => sum + n, 0), classCounts: counts, classNames: names };
  return ignored.files === 0 ? summary : { ...summary, ignored };
}

/**
 * The examples of an archive in its order, all of one size.
 * @throws GuardError naming the file that is no image, of another size, or there twice
 */
export async function* tarExamples(
  file: UploadFile,
  {
    options,
    limits,
    isRepeated,
  }: { options: UploadOptions; limits: UploadLimits; isRepeated: (path: string) => boolean },
): AsyncGenerator<TarExample, void, void> {
  const wants = (path: string) => kindOfPath(path, file.name) !== 'ignored';
  let first: { readonly name: string; readonly size: string } | undefined;
  for await (const { path, bytes } of tarEntries(file, { limits, wants })) {
    if (bytes === undefined) continue;
    const name = `${path} in ${file.name}`;
    if (kindOfPath(path, file.name) === 'hidden-image') {
      checkHiddenImage(bytes, name);
      continue;
    }
    if (isRepeated(path)) throw invalidUpload(`${name} is there twice`);
    const pixels = isNetpbm(bytes) ? parseNetpbm(bytes, name) : undefined;
    const size = pixels ? pixels.shape.slice(1) : sizeOf(bytes, name);
    const said = `${size[1]} x ${size[0]}`;
    first ??= { name: path, size: said };
    if (said !== first.size) {
      throw invalidUpload(
        `${name} is ${said} pixels, ${first.name} is ${first.size}: all images have one size`,
      );
    }
    if (options.shape !== undefined && size.join() !== options.shape.slice(1).join()) {
      throw invalidUpload(
        `${name} is ${said} pixels, the model reads ${options.shape[2]} x ${options.shape[1]}`,
      );
    }
    if (pixels === undefined) yield { name: path, bytes };
    else {
      checkShape({ shape: pixels.shape, datatype: 'UINT8' }, { name, options, limits });
      yield { name: path, bytes: pixels.data, shape: pixels.shape };
    }
  }
}

/** Reads the paths alone. */
async function scan(file: UploadFile, options: UploadOptions, limits: UploadLimits): Promise<TarScan> {
  const folders = collectFolders(file.name, { options, limits });
  const paths = pathHashes();
  const first: string[] = [];
  let ignored = 0;
  for await (const { path, isFolder } of tarEntries(file, { limits, wants: () => false })) {
    if (isFolder) folders.addFolder(path);
    else if (kindOfPath(path, file.name) !== 'example') {
      ignored++;
      if (first.length < ignoredPathsMax) first.push(path);
    } else {
      folders.addExample(path);
      paths.add(path);
    }
  }
  const isRepeated = paths.close();
  if (isRepeated === undefined) throw invalidUpload(`${file.name} has many files twice`);
  return { folders: folders.close(), ignored: { files: ignored, first }, isRepeated };
}

function sizeOf(bytes: Uint8Array, name: string): readonly [height: number, width: number] {
  const { width, height } = imageSize(bytes, name);
  return [height, width];
}

/** A batch ends where it is full, and where pixels follow files or pixels of other channels. */
async function* inBatches(
  examples: AsyncIterable<TarExample>,
  { folders, options, limits }: { folders: ClassFolders; options: UploadOptions; limits: UploadLimits },
): AsyncGenerator<ExampleBatch, void, void> {
  let held: TarExample[] = [];
  let [row, bytes] = [0, 0];
  for await (const example of examples) {
    const isOther = held.length > 0 && held[0].shape?.join() !== example.shape?.join();
    const isFull = held.length === options.batch || bytes + example.bytes.length > limits.batchBytes;
    if (held.length > 0 && (isOther || isFull)) {
      yield batchOf(held, row, folders);
      row += held.length;
      [held, bytes] = [[], 0];
    }
    held.push(example);
    bytes += example.bytes.length;
  }
  if (held.length > 0) yield batchOf(held, row, folders);
}

function batchOf(examples: readonly TarExample[], firstRow: number, folders: ClassFolders): ExampleBatch {
  const labels = Int32Array.from(examples, ({ name }) => folders.labelOf(name));
  const [{ shape, bytes }] = examples;
  if (shape === undefined) {
    const files: readonly ExampleFile[] = examples.map(({ name, bytes }) => ({ name, bytes }));
    return { firstRow, labels, files };
  }
  const data = new Uint8Array(examples.length * bytes.length);
  for (const [index, example] of examples.entries()) data.set(example.bytes, index * bytes.length);
  const names = examples.map(({ name }) => name);
  return { firstRow, labels, names, pixels: { shape, datatype: 'UINT8', data } };
}
