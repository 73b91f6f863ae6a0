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
};

/** A failure as a verdict holds it. */
export interface Failure {
  readonly error: GuardError;
  readonly report: NonNullable<Verdict['failure']>;
  /** An input that cannot be scored is no fault of the guard; everything else is. */
  readonly verdict: Extract<VerdictKind, 'not_scored' | 'error'>;
}

/** Classifies whatever was thrown on the way to a verdict. */
export function failureOf(thrown: unknown): Failure {
  const error = asGuardError(thrown);
  const failureClass = classOfCode[error.code] ?? 'internal';
  return {
    error,
    report: { class: failureClass, code: error.code, detail: error.message },
    verdict: failureClass === 'unsupported_input' ? 'not_scored' : 'error',
  };
}

/** Whether a failure refuses the request: as the policy says of its class where the guard enforces, nowhere else. */
export function failureRefuses({ mode, failures }: Policy, failure: FailureClass): boolean {
  return mode === 'enforce' && failures[failure] === 'refuse';
}

/** The answer to a blocked input. It names no score: that would tell an attacker how far the next attempt has to go. */
export function blockedError(): GuardError {
  return new GuardError('blocked', 'the guard takes this input for an adversarial example');
}
