// Waits for work only as long as somebody waits for its outcome.
import { GuardError } from '../../shared/errors.ts';

/**
 * Waits for work until a client goes away. The work itself is not stopped.
 * @param signal aborted where the client has gone; without one the work is waited for to its end
 * @throws GuardError `client_cancelled`, or what the work throws
 */
export async function unlessCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise: gone, reject } = Promise.withResolvers<never>();
  const cancel = () =>
    reject(new GuardError('client_cancelled', 'the client went away before there was a verdict'));
  // Work that goes on alone has nobody to hear of its failure.
  work.catch(() => undefined);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await Promise.race([work, gone]);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
