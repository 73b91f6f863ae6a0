// Tokens of an OpenID provider: whose they are and what they may do, by signature, issuer, audience and time.
import { decode, verifyWithJwks } from 'hono/jwt';
import type { RateTier, Scope } from '../../shared/contracts/api-key.ts';
import type { OidcConfig } from '../access-variables.ts';
import type { JwksClient } from '../clients/jwks-client.ts';
import type { Principal } from './principal.ts';

/** Characters of a subject (OpenID Connect Core, section 2: at most 255). */
const subjectCharactersMax = 255;

type Claims = Readonly<Record<string, unknown>>;

/**
 * Makes the check of one provider's tokens.
 * @returns gives the principal of a token; undefined where it is none, or not one of this provider for this audience, now. It says nothing
 *   of why: hono's own errors have the whole token in their text. It throws GuardError `credentials_unavailable` where the
 *   provider's keys cannot be fetched.
 */
export function oidcTokenCheck({
  oidc,
  rateLimit,
  jwks,
  now = Date.now,
}: {
  readonly oidc: OidcConfig;
  /** Of each of its principals. */
  readonly rateLimit: RateTier | null;
  readonly jwks: JwksClient;
  readonly now?: () => number;
}): (shown: string) => Promise<Principal | undefined> {
  return async (shown) => {
    const header = headerOf(shown);
    // Nothing is fetched for a token that no key can make good, such as one that is not signed at all.
    if (header?.kid === undefined || !oidc.algorithms.some((algorithm) => algorithm === header.alg)) {
      return undefined;
    }
    const key = await jwks.find(header.kid);
    if (key === undefined) return undefined;
    const claims = await verifyWithJwks(shown, {
      keys: [key],
      allowedAlgorithms: oidc.algorithms,
      verification: {
        iss: oidc.issuer,
        aud: oidc.audience,
        // Times are looked at below: hono knows no skew and takes a token without an end.
        exp: false,
        nbf: false,
        iat: false,
        // RFC 9068 names access tokens so; without the option only `JWT` or nothing passes.
        ...(header.typ?.toLowerCase().endsWith('at+jwt') ? { typ: 'at+jwt' } : {}),
      },
    }).catch(() => undefined);
    if (claims === undefined || !isCurrent(claims, { nowS: now() / 1_000, skewS: oidc.clockSkewSeconds })) {
      return undefined;
    }
    return principalOf(claims, { ...oidc, rateLimit });
  };
}

function headerOf(token: string): { alg: string; kid?: string; typ?: string } | undefined {
  try {
    const { alg, kid, typ } = decode(token).header as unknown as Claims;
    if (typeof alg !== 'string') return undefined;
    return {
      alg,
      ...(typeof kid === 'string' ? { kid } : {}),
      ...(typeof typ === 'string' ? { typ } : {}),
    };
  } catch {
    return undefined;
  }
}

/** RFC 7519, sections 4.1.4 to 4.1.6; a token without an end is not taken. */
function isCurrent({ exp, nbf, iat }: Claims, { nowS, skewS }: { nowS: number; skewS: number }): boolean {
  const hasBegun = (at: unknown) => at === undefined || (isInstant(at) && at - skewS <= nowS);
  return isInstant(exp) && nowS < exp + skewS && hasBegun(nbf) && hasBegun(iat);
}

/** Seconds since 1970 that a date can hold. */
function isInstant(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 8.64e12;
}

function principalOf(
  claims: Claims,
  { scopesClaim, scopeMap, rateLimit }: OidcConfig & { readonly rateLimit: RateTier | null },
): Principal | undefined {
  const { sub, exp } = claims;
  if (typeof sub !== 'string' || sub === '' || sub.length > subjectCharactersMax) return undefined;
  const granted = wordsOf(claimAt(claims, scopesClaim)).flatMap((word) => scopeMap.get(word) ?? []);
  return {
    id: `oidc:${sub}`,
    name: null,
    scopes: [...new Set<Scope>(granted)],
    models: null,
    rateLimit,
    expiresAt: new Date(Number(exp) * 1_000).toISOString(),
  };
}

/** A claim by its name, or by a JSON pointer (RFC 6901) where it begins with a slash. */
function claimAt(claims: Claims, name: string): unknown {
  if (!name.startsWith('/')) return Object.hasOwn(claims, name) ? claims[name] : undefined;
  const steps = name.slice(1).split('/');
  return steps
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(
      (value, step) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, step)
          ? (value as Claims)[step]
          : undefined,
      claims,
    );
}

/** Words with spaces between them, as in OAuth's `scope`, or a list of words, as in most `roles`. */
function wordsOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter((word) => typeof word === 'string') : [];
}
