// Unpacks gzip and deflate as a stream, a little at a time, and stops where it grows beyond its bounds.
import { GuardError } from '../errors.ts';
import { invalidUpload, type UploadFile, type UploadLimits } from './upload.ts';

/** Compressed bytes that are handed on at once: workerd unpacks a written chunk whole, deflate grows by up to 1,032. */
const sliceBytes = 4096;

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
  const { readable, writable } = new DecompressionStream(format);
  const writer = writable.getWriter();
  const taken = { bytes: 0 };
  // A failure of the source is not the archive's: it is kept apart and thrown as it is.
  const source: { failure?: unknown; failed: boolean } = { failed: false };
  const feeding = feed(chunks, writer, taken).catch((failure: unknown) => {
    if (failure instanceof WriteFailure) return;
    source.failed = true;
    source.failure = failure;
    return writer.abort(failure).catch(() => undefined);
  });
  const reader = readable.getReader();
  try {
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      checkInflation({ bytes, compressed: taken.bytes, name, limits });
      yield value;
    }
    await feeding;
  } catch (cause) {
    if (source.failed) throw source.failure;
    if (cause instanceof GuardError) throw cause;
    throw invalidUpload(`${name} is damaged or cut short: it cannot be unpacked`, cause);
  } finally {
    await Promise.all([
      writer.abort(new WriteFailure()).catch(() => undefined),
      reader.cancel().catch(() => undefined),
    ]);
    await feeding;
  }
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

/** The unpacker does not want more: it has failed, or nobody reads any longer. */
class WriteFailure extends Error {}

async function feed(
  chunks: AsyncIterable<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>,
  taken: { bytes: number },
): Promise<void> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += sliceBytes) {
      const slice = chunk.slice(at, at + sliceBytes);
      try {
        await writer.ready;
        taken.bytes += slice.length;
        await writer.write(slice);
      } catch (cause) {
        throw new WriteFailure('the unpacker takes no more', { cause });
      }
    }
  }
  await writer.close().catch((cause: unknown) => {
    throw new WriteFailure('the unpacker takes no more', { cause });
  });
}
