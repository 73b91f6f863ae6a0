// What a failure means: which class it is, and that it is never a pass where the guard enforces.
import type { Policy } from '../../shared/contracts/policy.ts';
import type { FailureClass, Verdict, VerdictKind } from '../../shared/contracts/verdict.ts';
import { asGuardError, type ErrorCode, GuardError } from '../../shared/errors.ts';

/** Errors of the input and of the guard's neighbours; every other code is a fault of the guard itself. */
const classOfCode: Partial<Record<ErrorCode, FailureClass>> = {
  malformed_request: 'unsupported_input',
  unsupported_media_type: 'unsupported_input',
  invalid_input: 'unsupported_input',
  batch_too_large: 'unsupported_input',
  deadline_exceeded: 'timeout',
  overloaded: 'overload',
  extractor_unreachable: 'worker_unreachable',
  extractor_unauthorized: 'worker_auth',
  bad_extractor_reply: 'bad_worker_reply',
  detector_unavailable: 'no_detector',
  query_check_unavailable: 'query_check',
  body_too_large: 'body_too_large',
  client_cancelled: 'client_cancel',
  client_deadline_exceeded: 'client_cancel',
};

/** Failures of the client alone, of which the guard is not to blame: its input was not scored. */
const clientFailures: readonly FailureClass[] = ['unsupported_input', 'body_too_large', 'client_cancel'];
/** Failures after which there is nothing that could be forwarded, or nobody who waits for it, whatever the mode. */
const unforwarded: readonly FailureClass[] = ['body_too_large', 'client_cancel'];

/** A failure as a verdict holds it. */
export interface Failure {
  readonly error: GuardError;
  readonly report: NonNullable<Verdict['failure']>;
  /** `not_scored` where the guard has no fault. */
  readonly verdict: Extract<VerdictKind, 'not_scored' | 'error'>;
}

/** Classifies whatever was thrown on the way to a verdict. */
export function failureOf(thrown: unknown): Failure {
  const error = asGuardError(thrown);
  const failureClass = classOfCode[error.code] ?? 'internal';
  return {
    error,
    report: { class: failureClass, code: error.code, detail: error.message },
    verdict: clientFailures.includes(failureClass) ? 'not_scored' : 'error',
  };
}

/** Whether a failure refuses the request: as the policy says of its class where the guard enforces, nowhere else. */
export function failureRefuses({ mode, failures }: Policy, failure: FailureClass): boolean {
  return unforwarded.includes(failure) || (mode === 'enforce' && failures[failure] === 'refuse');
}

/** The answer to a blocked input. It names no score: that would tell an attacker how far the next attempt has to go. */
export function blockedError(): GuardError {
  return new GuardError('blocked', 'the guard takes this input for an adversarial example');
}
