// The policy that a model is guarded by now.
import { defaultPolicy, type Policy } from '../../shared/contracts/policy.ts';
import type { WaitUntil } from '../bindings.ts';
import type { ConfiguredModel } from '../config.ts';

/** One protected model under the policy of the moment, which one request keeps from its beginning to its end. */
export interface GuardedModel extends Omit<ConfiguredModel, 'mode'> {
  readonly policy: Policy;
  /** Number of the policy's version; 0 is what the configuration says. */
  readonly policyVersion: number;
}

/** Where policies are asked for. */
export interface CurrentPolicies {
  /** Puts a model under its policy. @param waitUntil of the request that asks */
  guarded(model: ConfiguredModel, waitUntil: WaitUntil): Promise<GuardedModel>;
}

/** Makes it. */
export function currentPolicies(): CurrentPolicies {
  return {
    async guarded({ mode, ...model }) {
      return { ...model, policy: defaultPolicy(mode), policyVersion: 0 };
    },
  };
}
