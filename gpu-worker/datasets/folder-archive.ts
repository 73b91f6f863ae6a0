// A folder of class folders as the tar archive of it, so that both are read by the same code: made as it is read, never whole.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { packTar } from 'modern-tar';
import { GuardError } from '../../shared/errors.ts';
import { archiveEntriesMax, exampleBytesMax } from '../../shared/limits.ts';
import type { ByteSource } from '../../shared/uploads/byte-source.ts';
import { kindOfPath } from '../../shared/uploads/class-folders.ts';

/** Folders below each other: a link may lead back to one above it. */
const depthMax = 8;
/** Two empty blocks end an archive. */
const endBytes = 1024;

/** A file or folder of the archive. */
interface ArchiveEntry {
  /** Path in the archive; of a folder with a slash at its end. */
  readonly path: string;
  /** Bytes of a file that is read; 0 of what is left out. */
  readonly size: number;
}

/**
 * Makes a source over a folder, which must not change while it is read. What it holds comes in the order of the paths, whatever
 * order the disk has; links are followed.
 * @throws GuardError `invalid_dataset` where there is no such folder, it is too deep or holds what is no image
 */
export async function folderArchive(folder: string): Promise<ByteSource> {
  const entries = (await entriesOf(folder, '')).sort((left, right) => (left.path < right.path ? -1 : 1));
  return {
    // A measure of the work: headers are made with the archive.
    size: entries.reduce((sum, { size }) => sum + size, 0),
    stream(offset = 0) {
      return Readable.toWeb(
        Readable.from(after(archive(folder, entries), offset)),
      ) as ReadableStream<Uint8Array>;
    },
    async read(offset, length) {
      const parts: Uint8Array[] = [];
      let held = 0;
      for await (const chunk of after(archive(folder, entries), offset)) {
        parts.push(chunk.subarray(0, length - held));
        held += parts[parts.length - 1].length;
        if (held === length) break;
      }
      return Buffer.concat(parts);
    },
  };
}

async function entriesOf(folder: string, path: string): Promise<ArchiveEntry[]> {
  if (path.split('/').length > depthMax) {
    throw invalid(`${folder} has folders more than ${depthMax} deep: ${path}`);
  }
  const names = await readdir(join(folder, path)).catch((cause: unknown) => {
    throw invalid(`${join(folder, path)} cannot be read as a folder`, cause);
  });
  const entries: ArchiveEntry[] = [];
  for (const name of names) {
    const below = `${path}${name}`;
    const found = await stat(join(folder, below)).catch((cause: unknown) => {
      throw invalid(`${join(folder, below)} cannot be read`, cause);
    });
    if (found.isDirectory())
      entries.push({ path: `${below}/`, size: 0 }, ...(await entriesOf(folder, `${below}/`)));
    else entries.push({ path: below, size: exampleSize(below, { folder, size: found.size }) });
    if (entries.length > archiveEntriesMax)
      throw invalid(`${folder} has more than ${archiveEntriesMax} files`);
  }
  return entries;
}

/** What is no example is in the archive by its name alone, so that its reader tells of it. */
function exampleSize(path: string, { folder, size }: { folder: string; size: number }): number {
  if (kindOfPath(path, folder) === 'ignored') return 0;
  if (size <= exampleBytesMax) return size;
  throw new GuardError(
    'body_too_large',
    `${path} in ${folder} has ${size} bytes; ${exampleBytesMax} are read`,
  );
}

async function* archive(folder: string, entries: readonly ArchiveEntry[]): AsyncGenerator<Uint8Array> {
  for (const { path, size } of entries) {
    const body = size === 0 ? new Uint8Array(0) : await readFile(join(folder, path));
    if (body.length !== size) throw invalid(`${join(folder, path)} was changed while it was read`);
    const type = path.endsWith('/') ? 'directory' : 'file';
    // Of no time: the same files give the same archive.
    const header = { name: path, size, type, mtime: new Date(0) } as const;
    const packed = await packTar([type === 'file' ? { header, body } : { header }]);
    yield packed.subarray(0, packed.length - endBytes);
  }
  yield new Uint8Array(endBytes);
}

/** Chunks without the first `offset` bytes. */
async function* after(chunks: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const chunk of chunks) {
    const part = chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
    if (part.length > 0) yield part;
  }
}

function invalid(detail: string, cause?: unknown): GuardError {
  return new GuardError('invalid_dataset', detail, { cause });
}
