// Which policy guards where the database is slow, silent or gone.
import { describe, expect, it } from 'vitest';
import { currentPolicies } from '../../../edge/guard/current-policies.ts';
import type { ConfiguredModel } from '../../../edge/model-variables.ts';
import { defaultPolicy, type Policy } from '../../../shared/contracts/policy.ts';
import type { GuardMode } from '../../../shared/contracts/verdict.ts';

const model = (mode: GuardMode): ConfiguredModel => {
  return { name: mode, mode, version: undefined, artefactKey: undefined, protocol: 'open-inference' };
};
const noWork = () => {};

function versionOf(name: string, policy: Policy) {
  const published = { published_at: '2026-01-01T00:00:00Z', published_by: 'test', restored_from: null };
  return { model: name, version: 4, policy, ...published };
}

describe('the policy of the moment', () => {
  it('is what the configuration says where none was published', async () => {
    const policies = currentPolicies({ latest: async () => undefined }, noWork);
    for (const mode of ['off', 'shadow', 'enforce'] as const) {
      const guarded = await policies.guarded(model(mode), noWork);
      expect(guarded).toMatchObject({ policy: defaultPolicy(mode), policyVersion: 0 });
      expect('mode' in guarded).toBe(false);
    }
  });

  it('is the published one, read once for many requests', async () => {
    let reads = 0;
    const latest = async (name: string) => {
      reads++;
      return versionOf(name, defaultPolicy('enforce'));
    };
    const policies = currentPolicies({ latest }, noWork);
    for (let request = 0; request < 5; request++) {
      expect(await policies.guarded(model('off'), noWork)).toMatchObject({
        policy: { mode: 'enforce' },
        policyVersion: 4,
      });
    }
    expect(reads).toBe(1);
  });

  it('is closed where none was ever read: an enforcing one may have been published', async () => {
    const failures: string[] = [];
    const failing = { latest: () => Promise.reject(new Error('no database')) };
    const policies = currentPolicies(failing, (name) => failures.push(name));
    for (const mode of ['off', 'shadow'] as const) {
      await expect(policies.guarded(model(mode), noWork)).rejects.toMatchObject({
        code: 'policy_unavailable',
        status: 503,
      });
    }
    expect(await policies.guarded(model('enforce'), noWork)).toMatchObject({
      policy: defaultPolicy('enforce'),
      policyVersion: 0,
    });
    expect(failures).toEqual(['off', 'shadow', 'enforce']);
  });

  it('is waited for no longer than a second', async () => {
    const policies = currentPolicies({ latest: () => new Promise<never>(() => {}) }, noWork);
    const startedAt = performance.now();
    await expect(policies.guarded(model('off'), noWork)).rejects.toMatchObject({
      code: 'policy_unavailable',
    });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('is the one that was published here, not an older one that is still being read', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const policies = currentPolicies({ latest: () => promise }, noWork);
    const waiting = policies.guarded(model('off'), noWork);
    await new Promise((wait) => setTimeout(wait, 5));
    policies.published(versionOf('off', defaultPolicy('enforce')));
    resolve(undefined);
    expect(await waiting).toMatchObject({ policyVersion: 4 });
    expect(await policies.guarded(model('off'), noWork)).toMatchObject({ policyVersion: 4 });
  });
});
