// Who shows a bearer token: the deployment's own, an API key, a token of the OpenID provider, or nobody.
import type { OidcConfig } from '../access-variables.ts';
import { jwksClient } from '../clients/jwks-client.ts';
import type { KeyStore, StoredKey } from '../clients/key-store.ts';
import { matchesDigest, readApiKey } from './api-key.ts';
import { anonymous, checkFixedTokens, type FixedTokens } from './fixed-tokens.ts';
import { type KeyDirectory, keyDirectory } from './key-directory.ts';
import { oidcTokenCheck } from './oidc-token.ts';
import { type Principal, unauthorized } from './principal.ts';

/** Finds out who calls. */
export interface Access {
  /**
   * @param authorization the header as it came
   * @throws GuardError `unauthorized`, or `credentials_unavailable` where nobody can say at the moment
   */
  identify(authorization: string | undefined): Promise<Principal>;
  readonly keys: KeyStore;
  readonly directory: KeyDirectory;
}

/** What is believed. */
export interface AccessOptions extends FixedTokens {
  /** Whether callers must show a token at all. */
  readonly required: boolean;
  readonly keys: KeyStore;
  /** Undefined where no OpenID provider is believed. */
  readonly oidc: OidcConfig | undefined;
}

/** Makes the check of credentials. */
export async function createAccess({ required, keys, oidc, ...fixed }: AccessOptions): Promise<Access> {
  const checkFixed = await checkFixedTokens(fixed);
  const nobody = anonymous(fixed);
  const directory = keyDirectory({ store: keys });
  const rateLimit = fixed.callerLimits.oidc ?? null;
  const checkOidc = oidc && oidcTokenCheck({ oidc, rateLimit, jwks: jwksClient({ url: oidc.jwksUrl }) });
  const principalOf = async (shown: string): Promise<Principal | undefined> => {
    // Where no token is asked for, what is shown may be meant for the upstream: of ours only the operators' is looked for.
    const key = required ? readApiKey(shown) : undefined;
    if (key === undefined) return (await checkFixed(shown)) ?? checkOidc?.(shown);
    const stored = await directory.find(key.id);
    if (stored === undefined || !(await matchesDigest(key.secret, stored.secret_digest))) return undefined;
    return isGood(stored, Date.now()) ? keyPrincipal(stored) : undefined;
  };
  return {
    async identify(authorization) {
      const shown = bearerToken(authorization);
      const principal = shown === undefined ? undefined : await principalOf(shown);
      if (principal !== undefined) return principal;
      if (!required) return nobody;
      throw unauthorized({ shown: shown !== undefined });
    },
    keys,
    directory,
  };
}

function isGood({ revoked_at, expires_at }: StoredKey, now: number): boolean {
  return revoked_at === null && (expires_at === null || Date.parse(expires_at) > now);
}

function keyPrincipal({ id, name, scopes, models, rate_limit, expires_at }: StoredKey): Principal {
  return { id, name, scopes, models, rateLimit: rate_limit, expiresAt: expires_at };
}

/** The token of an `Authorization` header (RFC 6750, section 2.1); undefined where it has none. */
function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([\x21-\x7e]{1,8192})$/i.exec(header ?? '')?.[1];
}
