// Who shows a bearer token: one of the deployment's own, or nobody.
import type { Access } from './authorize.ts';
import { anonymous, checkFixedTokens, type FixedTokens } from './fixed-tokens.ts';
import { unauthorized } from './principal.ts';

/** What is believed. */
export interface AccessOptions extends FixedTokens {
  /** Whether callers must show a token at all. */
  readonly required: boolean;
}

/** Makes the check of credentials. */
export async function createAccess(options: AccessOptions): Promise<Access> {
  const checkFixed = await checkFixedTokens(options);
  const nobody = anonymous(options);
  return {
    async identify(authorization) {
      const shown = bearerToken(authorization);
      const principal = shown === undefined ? undefined : await checkFixed(shown);
      if (principal !== undefined) return principal;
      // Where no token is asked for, what is shown may be meant for the upstream.
      if (!options.required) return nobody;
      throw unauthorized({ shown: shown !== undefined });
    },
  };
}

/** The token of an `Authorization` header (RFC 6750, section 2.1); undefined where it has none. */
function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([\x21-\x7e]{1,8192})$/i.exec(header ?? '')?.[1];
}
