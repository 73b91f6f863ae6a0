// How many requests a principal may send: counted by the platform, whose bindings have one fixed limit each.
import type { RateTier } from '../../shared/contracts/api-key.ts';
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { RateLimitFailure } from '../access-variables.ts';
import type { RateLimitBinding } from '../bindings.ts';
import { withinDeadline } from '../guard/within-deadline.ts';
import type { Principal } from './principal.ts';

/** Longest wait for a count. */
const countMsMax = 1_000;

/** One limit that keys can name. */
export interface RateLimit {
  /** Requests in a window. */
  readonly limit: number;
  readonly windowSeconds: number;
  readonly binding: RateLimitBinding;
}

/** The limits that this deployment has. */
export type RateLimits = ReadonlyMap<RateTier, RateLimit>;

/** How a request is counted. */
export interface RateLimiting {
  readonly rateLimits: RateLimits;
  /** What becomes of one that cannot be. */
  readonly rateLimitFailure: RateLimitFailure;
  /** Told of each of these. */
  readonly onFailure: (outcome: 'allowed' | 'blocked') => void;
}

/**
 * Counts a request of a principal.
 * @returns what its answer says of the limit, a field of draft-ietf-httpapi-ratelimit-headers; undefined where there is no limit. How much is
 *   left the binding does not tell, so neither does the answer, until nothing is.
 * @throws GuardError `too_many_requests`; `overloaded` where it cannot be counted and is then refused; `invalid_config` where its limit does not exist any more
 */
export async function takeRequest(
  { id, rateLimit: tier }: Pick<Principal, 'id' | 'rateLimit'>,
  { rateLimits, rateLimitFailure, onFailure }: RateLimiting,
): Promise<string | undefined> {
  if (tier === null) return undefined;
  const found = rateLimits.get(tier);
  if (found === undefined) {
    throw new GuardError('invalid_config', `the limit ${tier} of ${id} is not configured`);
  }
  const { limit, windowSeconds, binding } = found;
  const policy = `"${tier}";q=${limit};w=${windowSeconds}`;
  const counting = withinDeadline(binding.limit({ key: id }), Date.now() + countMsMax, 'counting requests');
  const { success } = await counting.catch((cause: unknown) => {
    log('error', 'rate_limit.failure', { principal: id, tier, error: cause });
    const isRefused = rateLimitFailure === 'refuse';
    onFailure(isRefused ? 'blocked' : 'allowed');
    if (!isRefused) return { success: true };
    throw new GuardError('overloaded', 'requests cannot be counted at the moment', {
      cause,
      retryAfterSeconds: 1,
    });
  });
  if (success) return policy;
  throw new GuardError('too_many_requests', `more than ${limit} requests in ${windowSeconds} seconds`, {
    // Where in its window the count stands is not told either: after a whole one there is room.
    retryAfterSeconds: windowSeconds,
    headers: { 'ratelimit-policy': policy, ratelimit: `"${tier}";r=0;t=${windowSeconds}` },
  });
}
