// The two tokens of the deployment itself: the callers' and the operators'.
import { type RateTier, type Scope, scopes } from '../../shared/contracts/api-key.ts';
import { sha256 } from '../../shared/noise/noise-key.ts';
import type { CallerLimits } from '../access-variables.ts';
import { anonymousId, type Principal } from './principal.ts';

/** The tokens that the deployment was given. */
export interface FixedTokens {
  readonly apiToken: string | undefined;
  readonly operatorToken: string | undefined;
  readonly callerLimits: CallerLimits;
}

/** What a caller with the callers' token may do, or without any where none is asked for: all of it where nobody else is an operator. */
function callerScopes({ operatorToken }: FixedTokens): readonly Scope[] {
  return operatorToken === undefined ? scopes : ['infer'];
}

/** Makes the check of the two tokens; it gives undefined for any other. */
export async function checkFixedTokens(
  tokens: FixedTokens,
): Promise<(shown: string) => Promise<Principal | undefined>> {
  const known = [
    { token: tokens.operatorToken, principal: fixed('operator-token', scopes) },
    {
      token: tokens.apiToken,
      principal: fixed('api-token', callerScopes(tokens), tokens.callerLimits.api_token),
    },
  ];
  const accepted: { readonly digest: Uint8Array; readonly principal: Principal }[] = [];
  for (const { token, principal } of known) {
    if (token !== undefined) accepted.push({ digest: await digestOf(token), principal });
  }
  return async (shown) => {
    // Digests are compared, all of their bytes, so that the time says nothing about the token.
    const digest = await digestOf(shown);
    return accepted.find((one) => sameBytes(one.digest, digest))?.principal;
  };
}

/** Whoever shows nothing where nothing need be shown. */
export function anonymous(tokens: FixedTokens): Principal {
  return fixed(anonymousId, callerScopes(tokens), tokens.callerLimits.anonymous);
}

/** Whether two digests are the same; it takes as long whatever they are. */
function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let index = 0; index < one.length; index++) difference |= one[index] ^ other[index];
  return difference === 0;
}

function fixed(id: string, allowed: readonly Scope[], rateLimit: RateTier | null = null): Principal {
  return { id, name: null, scopes: allowed, models: null, rateLimit, expiresAt: null };
}

function digestOf(token: string): Promise<Uint8Array> {
  return sha256(new TextEncoder().encode(token));
}
