// Unpacks gzip and deflate as a stream, a little at a time, and stops where it grows beyond its bounds.
import { GuardError } from '../errors.ts';
import { through } from './through.ts';
import { invalidUpload, type UploadFile, type UploadLimits } from './upload.ts';

/** Compressed bytes that are handed on at once: workerd unpacks a written chunk whole, deflate grows by up to 1,032. */
const sliceBytes = 8192;

/** What is unpacked, and what it may become. */
export interface InflateOptions {
  readonly format: 'gzip' | 'deflate-raw';
  /** What to call it in errors. */
  readonly name: string;
  readonly limits: UploadLimits;
}

/**
 * Unpacks chunks; memory is bounded by what one slice of them unpacks to.
 * @throws GuardError `invalid_dataset` where they are damaged or cut short, `body_too_large` where they unpack to too much
 */
export async function* inflate(
  chunks: AsyncIterable<Uint8Array>,
  { format, name, limits }: InflateOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const taken = { bytes: 0 };
  let bytes = 0;
  // The library's types ask for chunks over an ArrayBuffer of their own, which slices are.
  const pair = new DecompressionStream(format) as unknown as {
    readable: ReadableStream<Uint8Array>;
    writable: WritableStream<Uint8Array>;
  };
  yield* through(slices(chunks, taken), pair, {
    each: (chunk) => {
      bytes += chunk.length;
      checkInflation({ bytes, compressed: taken.bytes, name, limits });
      return chunk;
    },
    refusal: (cause) => invalidUpload(`${name} is damaged or cut short: it cannot be unpacked`, cause),
  });
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

async function* slices(
  chunks: AsyncIterable<Uint8Array>,
  taken: { bytes: number },
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += sliceBytes) {
      const slice = chunk.slice(at, at + sliceBytes);
      taken.bytes += slice.length;
      yield slice;
    }
  }
}
