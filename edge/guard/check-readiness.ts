// Whether every model that is guarded can get a verdict now.
import type { Scorer } from '../../shared/contracts/verdict.ts';
import { asGuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { partVersion } from '../../shared/noise/plan-digest.ts';
import type { WaitUntil } from '../bindings.ts';
import type { ConfiguredModel } from '../model-variables.ts';
import type { GuardedModel } from './current-policies.ts';
import type { GuardServices } from './guard-services.ts';
import { loadDetector } from './judge-input.ts';

/** Time that one check may take: a cold detector Worker compiles its WebAssembly in it. */
const readinessTimeoutMs = 5_000;

/** What a readiness check found; a reason is a model's name and an error code. */
export interface Readiness {
  /** Why no verdict can be given; empty where all is well. */
  readonly missing: readonly string[];
  /** What is being done without. */
  readonly degraded: readonly string[];
}

/** Checks every given model; one in mode off needs nothing and is ready. */
export async function checkReadiness(
  models: readonly ConfiguredModel[],
  { services, waitUntil }: { services: GuardServices; waitUntil: WaitUntil },
): Promise<Readiness> {
  const missing: string[] = [];
  const degraded: string[] = [];
  const checks = models.map(async (configured) => {
    try {
      const model = await services.policies.guarded(configured, waitUntil);
      if (model.policy.mode === 'off') return;
      const scorer = await checkModel(model, services);
      if (scorer === 'typescript') degraded.push(`${configured.name}: scored in typescript`);
    } catch (thrown) {
      const error = asGuardError(thrown);
      log('warn', 'guard.not_ready', { model: configured.name, error });
      missing.push(`${configured.name}: ${error.code}`);
    }
  });
  await Promise.all(checks);
  return { missing: missing.sort(), degraded: degraded.sort() };
}

/**
 * Checks that a model can get a verdict.
 * @returns which implementation scores
 * @throws GuardError as a verdict fails
 */
export async function checkModel(
  model: Pick<GuardedModel, 'name' | 'artefactKey'>,
  services: GuardServices,
): Promise<Scorer> {
  const deadlineAt = Date.now() + readinessTimeoutMs;
  const loaded = await loadDetector({ model, deadlineAt }, services);
  const { artefact, planDigest, sequential } = loaded;
  const { digest: modelDigest } = artefact.model;
  const expected = { name: model.name, modelDigest, noiseKeyId: services.noiseKey.id };
  const graphs =
    sequential === undefined
      ? [{ ...expected, planDigest }]
      : sequential.planDigests.map((digest, stage) => {
          return { ...expected, stage, planDigest: digest, version: partVersion(digest) };
        });
  await Promise.all(graphs.map((graph) => services.extractor.checkServes(graph, deadlineAt)));
  // Also warms the detector Worker, so that the first request does not pay for its start.
  const checks = artefact.sequential?.stages.map(({ self_check: check }, stage) => ({ check, stage })) ?? [
    { check: artefact.self_check },
  ];
  const scorers = await Promise.all(
    checks.map(async ({ check, ...stage }) => {
      const vectors = Float64Array.from(check.vectors[0]);
      const call = { loaded, ...stage, vectors, rows: 1, timeoutMs: readinessTimeoutMs };
      const { scorer, disagreement } = await services.detector.score(call);
      if (disagreement !== undefined) throw disagreement;
      return scorer;
    }),
  );
  return scorers.find((scorer) => scorer === 'typescript') ?? scorers[0];
}
