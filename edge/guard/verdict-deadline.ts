// Until when a verdict must be there: the policy's time, or less where the client that waits for it has less.
import { GuardError } from '../../shared/errors.ts';

/** Header by which a client says how long it waits for the verdict, in milliseconds. */
export const clientTimeoutHeader = 'x-guard-timeout-ms';

/** A deadline, and whose it is. */
export interface VerdictDeadline {
  /** Instant of `Date.now()`. */
  readonly at: number;
  /** Whether the client asked for less time than the policy gives. */
  readonly ofClient: boolean;
}

/**
 * Reads how long the client waits.
 * @returns milliseconds; undefined where it does not say
 * @throws GuardError `malformed_request` where that is no whole number from 1 to 600,000
 */
export function clientTimeoutMs(headers: Headers): number | undefined {
  const text = headers.get(clientTimeoutHeader);
  if (text === null) return undefined;
  const milliseconds = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (milliseconds >= 1 && milliseconds <= 600_000) return milliseconds;
  const detail = 'must be a whole number of milliseconds from 1 to 600000';
  throw new GuardError('malformed_request', `${clientTimeoutHeader}: ${detail}`, {
    places: [{ pointer: clientTimeoutHeader, detail }],
  });
}

/** The deadline of a verdict that begins now. */
export function verdictDeadline(
  { policyMs, clientMs }: { readonly policyMs: number; readonly clientMs: number | undefined },
  now = Date.now(),
): VerdictDeadline {
  const ofClient = clientMs !== undefined && clientMs < policyMs;
  return { at: now + (ofClient ? clientMs : policyMs), ofClient };
}

/**
 * Says of a deadline that passed whose it was. A client that has no time would otherwise choose the failure that a policy may let
 * pass, and with it what is done with its own input.
 */
export function ofWhoseDeadline(thrown: unknown, { ofClient }: VerdictDeadline): unknown {
  if (!ofClient || !(thrown instanceof GuardError) || thrown.code !== 'deadline_exceeded') return thrown;
  const detail = `no verdict within the time that ${clientTimeoutHeader} gives`;
  return new GuardError('client_deadline_exceeded', detail, { cause: thrown });
}
