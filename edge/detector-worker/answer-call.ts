// The one exit of calls that run graphs: an error that is thrown would reach the caller as its words alone.
import { asGuardError, type GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { GraphAnswer } from '../bindings.ts';

/** Gives what a call comes to, or why it is refused. */
export async function answerCall<T>(work: () => Promise<T>): Promise<GraphAnswer<T>> {
  try {
    return { answer: await work() };
  } catch (thrown) {
    const { code, message } = logged(asGuardError(thrown));
    // Whatever the runtime throws is a run that failed.
    return { refusal: { code: code === 'internal' ? 'bad_extractor_reply' : code, detail: message } };
  }
}

function logged(error: GuardError): GuardError {
  if (error.code !== 'overloaded') log('warn', 'graph.call_failed', { error });
  return error;
}
