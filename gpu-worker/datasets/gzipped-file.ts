// Files that data sets are published as: plain or gzipped, under one name.
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { GuardError } from '../../shared/errors.ts';

/** Bytes that one file may unpack to: eight times the largest file of MNIST, three times all of CIFAR-10. */
const unpackedBytesMax = 512 * 1024 * 1024;

/**
 * Unpacks a file where it is gzipped.
 * @param name what to call it in errors
 * @throws GuardError `invalid_dataset` where it is a damaged gzip file or too large
 */
export function gunzipped(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: unpackedBytesMax });
  } catch (cause) {
    throw new GuardError(
      'invalid_dataset',
      `${name} is a damaged gzip file or unpacks to over ${unpackedBytesMax} bytes`,
      { cause },
    );
  }
}

/** Reads `path.gz`, or `path` where there is none; undefined where there is neither. */
export async function readGzippedOrPlain(
  path: string,
): Promise<{ readonly bytes: Uint8Array; readonly path: string } | undefined> {
  for (const candidate of [`${path}.gz`, path]) {
    try {
      return { bytes: await readFile(candidate), path: candidate };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    }
  }
  return undefined;
}
