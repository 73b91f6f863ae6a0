// NumPy's archive of named arrays: a zip file of .npy files, stored or deflated.
import { type UnzipFileInfo, unzipSync, zipSync } from 'fflate';
import { GuardError } from '../../shared/errors.ts';
import { npzEntriesMax } from '../../shared/limits.ts';
import type { Tensor } from '../../shared/maths/tensor.ts';
import { parseNpy, writeNpy } from './npy.ts';

/** Bytes that the arrays read from one archive may unpack to together. */
const unpackedBytesMax = 2 * 1024 * 1024 * 1024;
/** Bytes that one byte of deflate can stand for. */
const deflateRatioMax = 1032;

/**
 * Reads named arrays of a `.npz` file; the others are not unpacked, whatever they hold.
 *
 * The zip's checksums are not verified: the shape that an array says must fit the bytes that are there.
 * @param bytes the whole file
 * @param name what to call it in errors
 * @param arrays the names wanted; those that the archive lacks are absent from the result
 * @throws GuardError `invalid_dataset` where it is no zip file, has too many or too large arrays, or one cannot be read
 * @see NumPy, "numpy.savez" and "numpy.savez_compressed"
 */
export function readNpz(
  bytes: Uint8Array,
  { name, arrays }: { name: string; arrays: readonly string[] },
): Partial<Record<string, Tensor>> {
  const wanted = new Set(arrays.map((array) => `${array}.npy`));
  const files = unzip(bytes, name, (file) => wanted.has(file));
  return Object.fromEntries(
    Object.entries(files).map(([file, content]) => {
      const array = file.slice(0, -'.npy'.length);
      return [array, parseNpy(content, `array ${array} of ${name}`)];
    }),
  );
}

/**
 * Names of the arrays of a `.npz` file, in its order.
 * @throws GuardError `invalid_dataset` where it is no zip file
 */
export function npzArrayNames(bytes: Uint8Array, name: string): string[] {
  const names: string[] = [];
  unzip(bytes, name, (file) => {
    if (file.endsWith('.npy')) names.push(file.slice(0, -'.npy'.length));
    return false;
  });
  return names;
}

/**
 * Writes a `.npz` file, deflated; equal arrays give equal bytes.
 * @param arrays by name, of types that `writeNpy` takes
 */
export function writeNpz(arrays: Readonly<Record<string, Tensor>>): Uint8Array<ArrayBuffer> {
  const files = Object.entries(arrays).map(([name, tensor]) => [`${name}.npy`, writeNpy(tensor)]);
  // The zip format's first instant, so that the file does not depend on the clock.
  return zipSync(Object.fromEntries(files), { mtime: new Date(1980, 0, 1) });
}

function unzip(
  bytes: Uint8Array,
  name: string,
  wanted: (file: string) => boolean,
): Record<string, Uint8Array> {
  const seen = new Set<string>();
  let unpacked = 0;
  const filter = (file: UnzipFileInfo) => {
    if (seen.has(file.name)) throw invalid(`${name} has two entries of the name ${file.name}`);
    if (seen.add(file.name).size > npzEntriesMax)
      throw invalid(`${name} has more than ${npzEntriesMax} entries`);
    if (!wanted(file.name)) return false;
    // The size that is said is the size that is allocated; what an entry inflates to beyond it is dropped.
    unpacked += file.originalSize;
    if (unpacked > unpackedBytesMax) throw invalid(`${name} unpacks to more than ${unpackedBytesMax} bytes`);
    if (file.originalSize > file.size * deflateRatioMax) {
      throw invalid(`${file.name} in ${name} says ${file.originalSize} bytes, more than it can unpack to`);
    }
    return true;
  };
  try {
    return unzipSync(bytes, { filter });
  } catch (cause) {
    if (cause instanceof GuardError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`${name} is no zip file or a damaged one: ${reason}`, cause);
  }
}

function invalid(detail: string, cause?: unknown): GuardError {
  return new GuardError('invalid_dataset', detail, { cause });
}
