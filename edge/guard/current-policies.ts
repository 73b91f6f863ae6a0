// The policy that a model is guarded by now: the version published last, kept a few seconds, and the last one known where none can be read.
import { defaultPolicy, type Policy, type PolicyVersion } from '../../shared/contracts/policy.ts';
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { WaitUntil } from '../bindings.ts';
import type { PolicyStore } from '../clients/policy-store.ts';
import type { ConfiguredModel } from '../model-variables.ts';
import { withinDeadline } from './within-deadline.ts';

/** Age at which a policy is read again, behind the answer of the request that finds it so old. */
const refreshAgeMs = 2_000;
/** Age at which a request waits for what is read: after a long silence nobody has read it behind an answer. */
const staleAgeMs = 15_000;
/** How long a request waits. */
const readTimeoutMs = 1_000;

/** One protected model under the policy of the moment, which one request keeps from its beginning to its end. */
export interface GuardedModel extends Omit<ConfiguredModel, 'mode'> {
  readonly policy: Policy;
  /** Number of the policy's version; 0 is what the configuration says. */
  readonly policyVersion: number;
}

/** Where policies are asked for. */
export interface CurrentPolicies {
  /**
   * Puts a model under its policy.
   * @param waitUntil of the request that asks
   * @throws GuardError `policy_unavailable` where none was ever read and the configuration alone would be more open than closed
   */
  guarded(model: ConfiguredModel, waitUntil: WaitUntil): Promise<GuardedModel>;
  /** Guards by a version from now on, which was published in this isolate. */
  published(version: Pick<PolicyVersion, 'model' | 'version' | 'policy'>): void;
}

interface KnownPolicy {
  readonly policy: Policy;
  readonly version: number;
  readonly readAt: number;
  /** What a request is given, made once. */
  guarded?: GuardedModel;
}

/** Makes it for one isolate. `onFailure` counts each time that a policy could not be read. */
export function currentPolicies(
  store: Pick<PolicyStore, 'latest'>,
  onFailure: (model: string) => void,
): CurrentPolicies {
  // Values, not promises: a promise of one request must not be awaited by another that outlives it.
  const known = new Map<string, KnownPolicy>();
  const askedAt = new Map<string, number>();
  const failedAt = new Map<string, number>();
  const refresh = async ({ name, mode }: ConfiguredModel): Promise<unknown> => {
    const readAt = Date.now();
    askedAt.set(name, readAt);
    try {
      const latest = await withinDeadline(store.latest(name), readAt + readTimeoutMs, 'reading the policy');
      const { policy = defaultPolicy(mode), version = 0 } = latest ?? {};
      // What was asked for earlier and comes later is not the latest.
      if (readAt >= (known.get(name)?.readAt ?? 0)) known.set(name, { policy, version, readAt });
      return undefined;
    } catch (cause) {
      failedAt.set(name, Date.now());
      onFailure(name);
      log('error', 'policy.failure', { model: name, cause });
      return cause;
    }
  };
  return {
    async guarded(model, waitUntil) {
      const { name } = model;
      const now = Date.now();
      const age = now - (known.get(name)?.readAt ?? Number.NEGATIVE_INFINITY);
      const isRecent = (at: number | undefined) => at !== undefined && now - at < refreshAgeMs;
      const isAsked = isRecent(askedAt.get(name));
      let failure: unknown;
      const waits = age >= staleAgeMs && !(known.has(name) && isAsked) && !isRecent(failedAt.get(name));
      if (waits) failure = await refresh(model);
      else if (age >= refreshAgeMs && !isAsked) waitUntil(refresh(model));
      const current = known.get(name);
      if (current !== undefined) {
        current.guarded ??= underPolicy(model, current);
        return current.guarded;
      }
      // A published policy may enforce what the configuration only watches.
      if (model.mode !== 'enforce') {
        const detail = 'the policy of this model cannot be read, and none was read before';
        throw new GuardError('policy_unavailable', detail, { cause: failure, retryAfterSeconds: 1 });
      }
      return underPolicy(model, { policy: defaultPolicy(model.mode), version: 0 });
    },
    published({ model, policy, version }) {
      known.set(model, { policy, version, readAt: Date.now() });
    },
  };
}

function underPolicy(
  { name, version, artefactKey, protocol, audio }: ConfiguredModel,
  policy: Pick<KnownPolicy, 'policy' | 'version'>,
): GuardedModel {
  const model = { name, version, artefactKey, protocol, audio };
  return { ...model, policy: policy.policy, policyVersion: policy.version };
}
