// Who calls, and what it may do.
import type { RateTier, Scope } from '../../shared/contracts/api-key.ts';
import { GuardError } from '../../shared/errors.ts';

/** The caller of one request. */
export interface Principal {
  /** Names it in audits and limits: `api-token`, `operator-token`, `anonymous`, `key_…` or `oidc:…`; never a secret. */
  readonly id: string;
  /** What people call it. */
  readonly name: string | null;
  readonly scopes: readonly Scope[];
  /** The only models that it may name; null for all. */
  readonly models: readonly string[] | null;
  /** The limit that counts its requests; null for none. */
  readonly rateLimit: RateTier | null;
  /** Instant from which it is nobody any more; null where that is not known. */
  readonly expiresAt: string | null;
}

/** Whoever shows nothing where nothing need be shown. */
export const anonymousId = 'anonymous';

/** Whether a principal may do what needs a scope; `admin` includes all. */
export function hasScope({ scopes }: Pick<Principal, 'scopes'>, needed: Scope): boolean {
  return scopes.includes(needed) || scopes.includes('admin');
}

/**
 * Refuses a principal that has not the scope.
 * @throws GuardError `insufficient_scope` that names the scope; `unauthorized` of somebody who has shown nothing
 */
export function requireScope(principal: Principal, needed: Scope): void {
  if (hasScope(principal, needed)) return;
  if (principal.id === anonymousId) throw unauthorized();
  throw new GuardError('insufficient_scope', `the scope ${needed} is needed`, {
    places: [{ pointer: 'authorization', detail: `the scope ${needed} is needed` }],
    // RFC 6750, section 3.1.
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${needed}"` },
  });
}

/** Whether a principal may name a model. */
export function isForModel({ models }: Principal, model: string): boolean {
  return models === null || models.includes(model);
}

/**
 * Refuses a model that is not on the list of a principal that has one, whether there is such a model or not.
 * @throws GuardError `forbidden`
 */
export function requireModel(principal: Principal, model: string): void {
  if (isForModel(principal, model)) return;
  throw new GuardError('forbidden', 'these credentials are not for this model');
}

/** The refusal of credentials, or of their absence; it says nothing of why. */
export function unauthorized({ shown = false }: { shown?: boolean } = {}): GuardError {
  const headers = shown ? { 'www-authenticate': 'Bearer error="invalid_token"' } : {};
  return new GuardError('unauthorized', 'a valid bearer token is needed', { headers });
}
