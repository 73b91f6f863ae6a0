// Bounds how long the body of an answer may stand still: bytes pass as they come, and where none come it is broken off.
import { GuardError } from '../../shared/errors.ts';
import { wholeAnswerBytesMax } from '../../shared/limits.ts';

/** How an answer is bounded. */
export interface AnswerBounds {
  /** Longest wait for the next bytes, in milliseconds. */
  readonly idleMs: number;
  /** Told where an answer is broken off whose head may have been passed on. */
  readonly onIdle: () => void;
}

/** Bytes of one reading: at first, and at most where an answer has more of them ready. */
const readBytes = { first: 4 * 1024, max: 64 * 1024 } as const;

/**
 * Gives the body of an answer to be passed on.
 *
 * A short one of known length is read whole, under the deadline of the call that it answers, so that its head is not sent before
 * the rest is there; that costs no more than passing it on. Any other passes piece by piece and fails where the next piece does
 * not come in time. One with a content encoding, which the guard never asks for, passes untouched: to see its bytes would be to
 * unpack it, and packed again it would no longer be byte for byte what came.
 * @throws what ends the call while a short body is read
 */
export async function boundAnswer(
  answer: Response,
  bounds: AnswerBounds,
): Promise<ReadableStream<Uint8Array> | ArrayBuffer | null> {
  const { body, headers } = answer;
  if (body === null || (headers.get('content-encoding') ?? 'identity') !== 'identity') return body;
  const length = Number(headers.get('content-length') ?? Number.NaN);
  if (length <= wholeAnswerBytesMax) return answer.arrayBuffer();
  const watched = watchedBody(body, bounds);
  // The platform tells the client no length of a stream that does not know its own.
  return Number.isInteger(length) ? watched.pipeThrough(new FixedLengthStream(length)) : watched;
}

function watchedBody(
  body: ReadableStream<Uint8Array>,
  { idleMs, onIdle }: AnswerBounds,
): ReadableStream<Uint8Array> {
  const reader = body.getReader({ mode: 'byob' });
  let size: number = readBytes.first;
  return new ReadableStream<Uint8Array>(
    {
      // Asked for as fast as the client reads: a client that is slow makes no answer late.
      async pull(controller) {
        const { promise: late, reject } = Promise.withResolvers<never>();
        const timer = setTimeout(() => {
          const error = new GuardError('upstream_timeout', `the answer stood still for ${idleMs} ms`);
          reject(error);
          onIdle();
          reader.cancel(error).catch(() => undefined);
        }, idleMs);
        try {
          const { done, value } = await Promise.race([reader.read(new Uint8Array(size)), late]);
          if (done) return controller.close();
          if (value.length === size) size = Math.min(4 * size, readBytes.max);
          controller.enqueue(value);
        } finally {
          clearTimeout(timer);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // Nothing is read ahead of the client.
    { highWaterMark: 0 },
  );
}
