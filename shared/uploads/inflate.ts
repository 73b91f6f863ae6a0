// Unpacks gzip and deflate as a stream, a little at a time, and stops where it grows beyond its bounds.
import { Gunzip, Inflate } from 'fflate';
import { GuardError } from '../errors.ts';
import { crc32 } from './crc32.ts';
import { invalidUpload, type UploadFile, type UploadLimits } from './upload.ts';

/** Compressed bytes that are unpacked at once: deflate grows by up to 1,032, to four megabytes. */
const sliceBytes = 4096;
/** Bytes at the end of a gzip file: checksum and size of what it unpacks to, modulo 2^32. */
const trailerBytes = 8;

/** What is unpacked, and what it may become. */
export interface InflateOptions {
  readonly format: 'gzip' | 'deflate-raw';
  /** What to call it in errors. */
  readonly name: string;
  readonly limits: UploadLimits;
}

/**
 * Unpacks chunks; memory is bounded by what one slice of them unpacks to. Not with `DecompressionStream`: workerd's takes
 * whatever it is given and holds what that unpacks to, however slowly it is read.
 *
 * A gzip file's own checksum is verified; bare deflate has none, its caller knows size and checksum.
 * @throws GuardError `invalid_dataset` where they are damaged, cut short or (gzip) more than one file, `body_too_large` where
 *   they unpack to too much
 */
export async function* inflate(
  chunks: AsyncIterable<Uint8Array>,
  { format, name, limits }: InflateOptions,
): AsyncGenerator<Uint8Array, void, void> {
  let unpacked: Uint8Array[] = [];
  let [compressed, bytes, checksum] = [0, 0, 0];
  let trailer = new Uint8Array(0);
  const Unpacker = format === 'gzip' ? Gunzip : Inflate;
  const unpacker = new Unpacker((part) => unpacked.push(part));
  for await (const slice of slices(chunks)) {
    compressed += slice.length;
    trailer = lastBytes(trailer, slice);
    try {
      unpacker.push(slice);
    } catch (cause) {
      throw damaged(name, cause);
    }
    const parts = unpacked;
    unpacked = [];
    for (const part of parts) {
      if (part.length === 0) continue;
      bytes += part.length;
      checkInflation({ bytes, compressed, name, limits });
      if (format === 'gzip') checksum = crc32(part, checksum);
      yield part;
    }
  }
  if (format !== 'gzip') return;
  const view = new DataView(trailer.buffer);
  const isWhole =
    trailer.length === trailerBytes &&
    view.getUint32(0, true) === checksum &&
    view.getUint32(4, true) === bytes % 2 ** 32;
  if (!isWhole) throw damaged(name);
}

/**
 * Refuses what unpacks to too much.
 * @throws GuardError `body_too_large`
 */
export function checkInflation({
  bytes,
  compressed,
  name,
  limits,
}: {
  bytes: number;
  compressed: number;
  name: string;
  limits: UploadLimits;
}): void {
  if (bytes > limits.inflatedBytes) {
    throw new GuardError('body_too_large', `${name} unpacks to more than ${limits.inflatedBytes} bytes`);
  }
  if (bytes > limits.inflationFreeBytes && bytes > compressed * limits.inflationRatio) {
    const detail = `${name} unpacks to more than ${limits.inflationRatio} times its size: ${bytes} bytes and more out of ${compressed}`;
    throw new GuardError('body_too_large', detail);
  }
}

/** The bytes of a file, unpacked where it is gzipped. */
export async function* plainBytes(
  { name, source }: UploadFile,
  limits: UploadLimits,
): AsyncGenerator<Uint8Array, void, void> {
  if (await isGzipped(source)) yield* inflate(source.stream(), { format: 'gzip', name, limits });
  else yield* source.stream();
}

/** Whether a file begins as gzip files do. */
export async function isGzipped(source: UploadFile['source']): Promise<boolean> {
  const [first, second] = await source.read(0, 2);
  return first === 0x1f && second === 0x8b;
}

async function* slices(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += sliceBytes) yield chunk.subarray(at, at + sliceBytes);
  }
}

/** The last bytes of what came before and a slice behind it. */
function lastBytes(before: Uint8Array, slice: Uint8Array): Uint8Array<ArrayBuffer> {
  if (slice.length >= trailerBytes) return slice.slice(-trailerBytes);
  return Uint8Array.of(...before, ...slice).slice(-trailerBytes);
}

function damaged(name: string, cause?: unknown): GuardError {
  return invalidUpload(`${name} is damaged or cut short: it cannot be unpacked`, cause);
}
