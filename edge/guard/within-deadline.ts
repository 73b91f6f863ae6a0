// Bounds a wait that knows no deadline of its own.
import { GuardError } from '../../shared/errors.ts';

/**
 * Waits for work until a deadline. The work itself is not stopped.
 * @param deadlineAt instant of `Date.now()`
 * @throws GuardError `deadline_exceeded`, or what the work throws
 */
export async function withinDeadline<T>(work: Promise<T>, deadlineAt: number, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const fail = () => reject(new GuardError('deadline_exceeded', `${what} took longer than the guard may`));
  const timer = setTimeout(fail, Math.max(0, deadlineAt - Date.now()));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
