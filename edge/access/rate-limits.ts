// How many requests a principal may send: counted by the platform, whose bindings have one fixed limit each.
import type { RateTier } from '../../shared/contracts/api-key.ts';
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { RateLimitBinding } from '../bindings.ts';
import type { Principal } from './principal.ts';

/** One limit that keys can name. */
export interface RateLimit {
  /** Requests in a window. */
  readonly limit: number;
  readonly windowSeconds: number;
  readonly binding: RateLimitBinding;
}

/** The limits that this deployment has. */
export type RateLimits = ReadonlyMap<RateTier, RateLimit>;

/**
 * Counts a request of a principal.
 * @returns what its answer says of the limit, a field of draft-ietf-httpapi-ratelimit-headers; undefined where there is no limit. How much is
 *   left the binding does not tell, so neither does the answer, until nothing is.
 * @throws GuardError `too_many_requests`; `invalid_config` where its limit does not exist any more
 */
export async function takeRequest(
  { id, rateLimit: tier }: Pick<Principal, 'id' | 'rateLimit'>,
  limits: RateLimits,
): Promise<string | undefined> {
  if (tier === null) return undefined;
  const found = limits.get(tier);
  if (found === undefined) {
    throw new GuardError('invalid_config', `the limit ${tier} of ${id} is not configured`);
  }
  const { limit, windowSeconds, binding } = found;
  const policy = `"${tier}";q=${limit};w=${windowSeconds}`;
  const { success } = await binding.limit({ key: id }).catch((cause: unknown) => {
    // A limit protects what is behind it from too much, not from the wrong: without its count requests go on, as in Envoy's default.
    log('error', 'rate_limit.failure', { principal: id, tier, error: cause });
    return { success: true };
  });
  if (success) return policy;
  throw new GuardError('too_many_requests', `more than ${limit} requests in ${windowSeconds} seconds`, {
    // Where in its window the count stands is not told either: after a whole one there is room.
    retryAfterSeconds: windowSeconds,
    headers: { 'ratelimit-policy': policy, ratelimit: `"${tier}";r=0;t=${windowSeconds}` },
  });
}
