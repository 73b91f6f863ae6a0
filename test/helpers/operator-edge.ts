// What an operator does on the edge of the tests: makes API keys, revokes them, and calls with them.
import type { ApiKey } from '../../shared/contracts/api-key.ts';
import type { GuardedEdge } from './guarded-edge.ts';

export const operatorToken = 'a-token-of-the-operators-0123456789';

/** A key with its secret, as it was told once. */
export type NewKey = ApiKey & { readonly key: string };

/** The operator of an edge that was given `operatorToken`. */
export function operatorOf(guarded: Pick<GuardedEdge, 'call'>) {
  const callWith = (token: string, path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${token}`);
    return guarded.call(path, { ...init, headers });
  };
  const call = (path: string, init?: RequestInit) => callWith(operatorToken, path, init);
  return {
    callWith,
    call,
    async createKey(request: object): Promise<NewKey> {
      const body = JSON.stringify({ name: 'of a test', ...request });
      const answer = await call('/v1/keys', { method: 'POST', body });
      if (answer.status !== 201) throw new Error(`status ${answer.status}: ${await answer.text()}`);
      return (await answer.json()) as NewKey;
    },
  };
}
