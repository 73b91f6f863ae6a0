// Asks the Durable Object of a caller how many of its earlier queries nearly equal those of now.
import { GuardError } from '../../shared/errors.ts';
import type { QueryCall, QueryHistoryBinding } from '../bindings.ts';

/** Whose history is asked. */
export interface QueryCaller {
  readonly noiseKeyId: string;
  readonly model: string;
  readonly principal: string;
}

/** Where earlier queries are compared with. */
export interface QueryClient {
  /**
   * @returns [inputs]: how many earlier inputs each nearly equals
   * @throws GuardError `query_check_unavailable`
   */
  compare(caller: QueryCaller, call: QueryCall): Promise<readonly number[]>;
}

/** Makes the client. */
export function queryClient(namespace: QueryHistoryBinding): QueryClient {
  return {
    async compare({ noiseKeyId, model, principal }, call) {
      // Fingerprints under another key are others: under a new one every history begins anew.
      const name = JSON.stringify([noiseKeyId, model, principal]);
      try {
        return await namespace.getByName(name).compare(call);
      } catch (cause) {
        const detail = 'what the caller asked before cannot be looked up';
        throw new GuardError('query_check_unavailable', detail, { cause, retryAfterSeconds: 1 });
      }
    },
  };
}
