// Sends chunks through a pair of streams and tells a failure of their source from a refusal of what they hold.
import { GuardError } from '../errors.ts';

/** What is done with what comes out. */
export interface ThroughOptions<T, U> {
  /** Run on each value before the next is asked for; what it throws counts as a refusal too. */
  readonly each: (value: T) => Promise<U> | U;
  /** The error for a failure of the streams themselves: the bytes are not what they should be. */
  readonly refusal: (cause: unknown) => GuardError;
}

/**
 * Yields what comes out of the pair. A failure of `chunks` is thrown as it is. Whoever stops early lets everything go.
 * @throws what `refusal` makes of a failure of the pair; a `GuardError` as it is
 */
export async function* through<T, U>(
  chunks: AsyncIterable<Uint8Array>,
  { readable, writable }: { readable: ReadableStream<T>; writable: WritableStream<Uint8Array> },
  { each, refusal }: ThroughOptions<T, U>,
): AsyncGenerator<U, void, void> {
  const writer = writable.getWriter();
  const reader = readable.getReader();
  const source: { failed: boolean; failure?: unknown } = { failed: false };
  const feeding = feed(chunks, writer).catch((failure: unknown) => {
    if (failure instanceof WriteFailure) return;
    source.failed = true;
    source.failure = failure;
    return writer.abort(failure).catch(() => undefined);
  });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield await each(value);
    }
    await feeding;
    if (source.failed) throw source.failure;
  } catch (cause) {
    if (source.failed) throw source.failure;
    throw cause instanceof GuardError ? cause : refusal(cause);
  } finally {
    await Promise.all([
      writer.abort(new WriteFailure()).catch(() => undefined),
      reader.cancel().catch(() => undefined),
    ]);
    await feeding;
  }
}

/** The streams take no more: they have failed, or nobody reads any longer. */
class WriteFailure extends Error {}

async function feed(
  chunks: AsyncIterable<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  const refused = (cause: unknown) => {
    throw new WriteFailure('the streams take no more', { cause });
  };
  for await (const chunk of chunks) {
    await writer.ready.catch(refused);
    await writer.write(chunk).catch(refused);
  }
  await writer.close().catch(refused);
}
