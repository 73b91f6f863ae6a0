// Data sets on disk as the files of an upload: the same readers, and so the same rows, labels and refusals as in a screening job.
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { UploadFormat } from '../../shared/contracts/screening-job.ts';
import { GuardError } from '../../shared/errors.ts';
import { int64Tensor } from '../../shared/maths/tensor.ts';
import { type ByteSource, memorySource } from '../../shared/uploads/byte-source.ts';
import type { UploadFile, UploadOptions } from '../../shared/uploads/upload.ts';
import { fileSource } from './file-source.ts';
import { folderArchive } from './folder-archive.ts';
import { writeNpz } from './npz.ts';
import { drawDigits } from './synthetic-digits.ts';

/** A data set that can be read as an upload is. */
export interface UploadSource {
  /** What to call it. */
  readonly name: string;
  readonly format: UploadFormat;
  readonly files: readonly UploadFile[];
  /** Where the files lie, in their order; none of a data set that was drawn here or is a folder. */
  readonly paths: readonly string[];
  readonly cifarClasses?: UploadOptions['cifarClasses'];
}

/** How a source may be spelt. */
export const uploadSourceHelp =
  'FILE.npz, FILE.tar[.gz], a folder of class folders, idx:FOLDER (MNIST), cifar10:FOLDER or cifar100:FOLDER (their binary versions), cifar-binary:FILE, or synthetic-digits:COUNT for digits drawn here; npz:, tar: and folder: may stand before a path';

/** Opens a data set of one kind. */
type Open = (rest: string, split: string) => Promise<Omit<UploadSource, 'name'>>;

const kinds: Readonly<Record<string, Open>> = {
  npz: (path) => oneFile('npz', path),
  tar: (path) => oneFile('tar', path),
  'cifar-binary': (path) => oneFile('cifar-binary', path),
  idx: async (folder, split) => {
    const images = await filesOf(folder, [`${split}-images-idx3-ubyte`]);
    const labels = await filesOf(folder, [`${split}-labels-idx1-ubyte`]);
    if (images.length === 0 || labels.length === 0) {
      throw invalid(`${folder} has no ${split}-images-idx3-ubyte and ${split}-labels-idx1-ubyte`);
    }
    return named('idx', ['images', 'labels'], [...images, ...labels]);
  },
  cifar10: async (folder, split) => {
    const names = split === 'test' ? ['test_batch.bin'] : [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`);
    return cifarFolder(folder, names);
  },
  cifar100: async (folder, split) => {
    return { ...(await cifarFolder(folder, [`${split}.bin`])), cifarClasses: 100 };
  },
  folder: async (folder) => {
    const files = [{ name: basename(folder), source: await folderArchive(folder) }];
    return { format: 'tar', files, paths: [] };
  },
  'synthetic-digits': async (count, split) => {
    if (!/^[1-9]\d{0,5}$/.test(count)) throw invalid(`synthetic-digits:${count} is no number of digits`);
    // The splits draw from seeds that never meet.
    const { inputs, inputShape, labels } = drawDigits(
      Number(count),
      split === 'train' ? 1_000_000 : 2_000_000,
    );
    const x = { datatype: 'FP32', shape: [labels.length, ...inputShape], data: inputs } as const;
    const source = memorySource(writeNpz({ x, y: int64Tensor(labels, [labels.length]) }));
    return { format: 'npz', files: [{ name: 'digits', source }], paths: [] };
  },
};

/**
 * Opens the data set that a path or `KIND:PATH` names; only its headers may be read before it is read as an upload.
 * @param split prefix of IDX files, `train` or `test` of the others
 * @throws GuardError `invalid_dataset` where there is none or its kind cannot be told
 */
export async function openUploadSource(spelt: string, split: string): Promise<UploadSource> {
  const colon = spelt.indexOf(':');
  const kind = colon < 0 ? undefined : spelt.slice(0, colon);
  if (kind !== undefined && Object.hasOwn(kinds, kind)) {
    const rest = spelt.slice(colon + 1);
    return { name: nameOf(rest), ...(await kinds[kind](rest, split)) };
  }
  return { name: nameOf(spelt), ...(await kinds[await kindOf(spelt)](spelt, split)) };
}

/** SHA-256 over the bytes as they lie there: of several files over their names and digests, as a screening job has it. */
export async function uploadDigest(files: readonly UploadFile[]): Promise<string> {
  const digests = await Promise.all(files.map(({ source }) => sourceDigest(source)));
  if (digests.length === 1) return digests[0];
  const listed = files.map(({ name }, index) => `${name} ${digests[index]}\n`).join('');
  return `sha256:${createHash('sha256').update(listed).digest('hex')}`;
}

async function sourceDigest(source: ByteSource): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source.stream()) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

async function kindOf(path: string): Promise<string> {
  if (/\.npz$/i.test(path)) return 'npz';
  if (/\.(tar|tar\.gz|tgz)$/i.test(path)) return 'tar';
  const found = await stat(path).catch((cause: unknown) => {
    throw invalid(`${path} cannot be read`, cause);
  });
  if (found.isDirectory()) return 'folder';
  throw invalid(`${path} is none of ${uploadSourceHelp}`);
}

async function oneFile(format: UploadFormat, path: string): Promise<Omit<UploadSource, 'name'>> {
  return named(format, [basename(path)], [path]);
}

async function cifarFolder(folder: string, names: readonly string[]): Promise<Omit<UploadSource, 'name'>> {
  const paths = await filesOf(folder, names);
  if (paths.length === 0) throw invalid(`${folder} has none of ${names.join(', ')}, plain or with .gz`);
  return named(
    'cifar-binary',
    paths.map((path) => basename(path)),
    paths,
  );
}

/** Those of the files that are there, gzipped or plain. */
async function filesOf(folder: string, names: readonly string[]): Promise<string[]> {
  const present = await readdir(folder).catch((cause: unknown) => {
    throw invalid(`${folder} cannot be read as a folder`, cause);
  });
  return names.flatMap((name) => {
    const found = [`${name}.gz`, name].find((candidate) => present.includes(candidate));
    return found === undefined ? [] : [join(folder, found)];
  });
}

async function named(
  format: UploadFormat,
  names: readonly string[],
  paths: readonly string[],
): Promise<Omit<UploadSource, 'name'>> {
  const files = await Promise.all(
    paths.map(async (path, index) => ({ name: names[index], source: await fileSource(path) })),
  );
  return { format, files, paths };
}

function nameOf(path: string): string {
  return basename(path) || path;
}

function invalid(detail: string, cause?: unknown): GuardError {
  return new GuardError('invalid_dataset', detail, { cause });
}
