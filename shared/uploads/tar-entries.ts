// The files of a tar archive, plain or gzipped, one at a time.
import { createTarDecoder, type ParsedTarEntry } from 'modern-tar';
import { GuardError } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';
import { plainBytes } from './inflate.ts';
import { through } from './through.ts';
import { invalidUpload, type UploadFile, type UploadLimits } from './upload.ts';

/** A file or folder in an archive. */
export interface TarEntry {
  /** Its path without `./` in front, `/` behind and empty parts. */
  readonly path: string;
  readonly isFolder: boolean;
  /** Bytes of the file; absent of a folder and of a file that was not wanted. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
}

/**
 * Reads an archive forward.
 * @param wants whether the bytes of a file are read; the others are passed over
 * @throws GuardError `invalid_dataset` where it is damaged or cut short, or has a link, a device, or a path that leads out
 *   of the archive; `body_too_large` where it has too many entries or one that is wanted is too large
 * @see POSIX.1-2017, "pax", ustar interchange format
 */
export async function* tarEntries(
  file: UploadFile,
  { limits, wants }: { limits: UploadLimits; wants: (path: string) => boolean },
): AsyncGenerator<TarEntry, void, void> {
  let entries = 0;
  const decoder = createTarDecoder({ strict: true });
  yield* through(plainBytes(file, limits), decoder, {
    each: async ({ header, body }: ParsedTarEntry): Promise<TarEntry> => {
      if (++entries > limits.archiveEntries) {
        throw new GuardError('body_too_large', `${file.name} has more than ${limits.archiveEntries} entries`);
      }
      const path = safePath(header.name, file.name, limits);
      if (header.type === 'directory') {
        await body.cancel();
        return { path, isFolder: true };
      }
      if (header.type !== 'file') {
        throw invalidUpload(`${path} in ${file.name} is a ${header.type}; files and folders are read`);
      }
      if (!wants(path)) {
        await body.cancel();
        return { path, isFolder: false };
      }
      if (header.size > limits.exampleBytes) {
        const detail = `${path} in ${file.name} has ${header.size} bytes; ${limits.exampleBytes} are read`;
        throw new GuardError('body_too_large', detail);
      }
      return { path, isFolder: false, bytes: await bodyBytes(body, header.size) };
    },
    refusal: (cause) => invalidUpload(`${file.name} is no tar archive, damaged or cut short`, cause),
  });
}

/** Nothing is written under these names; a path that would lead elsewhere is a sign of an archive made to do so. */
function safePath(name: string, archive: string, limits: UploadLimits): string {
  if (name.length > limits.entryNameCharacters) {
    const start = JSON.stringify(name.slice(0, 60));
    throw invalidUpload(
      `${archive} has a path of ${name.length} characters, over ${limits.entryNameCharacters}: ${start}`,
    );
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || /[\p{Cc}\\]/u.test(name)) {
    throw invalidUpload(`${archive} has the path ${JSON.stringify(name)}, which leads out of it`);
  }
  return parts.join('/');
}

async function bodyBytes(body: ReadableStream<Uint8Array>, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new ByteReader(body);
  const bytes = new Uint8Array(size);
  await reader.fill(bytes);
  // Read to its end, where the decoder goes on to the next entry.
  await reader.atEnd();
  return bytes;
}
