// Detector artefacts: read from R2, checked for their signature and against themselves, and kept for the life of the isolate.
import { type DetectorArtefact, detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import {
  type ArtefactPublicKey,
  importArtefactPublicKey,
  type StoredArtefact,
  verifyArtefact,
} from '../../shared/detector/artefact-signature.ts';
import { type Mlp, mlpOfArtefact, mlpScore } from '../../shared/detector/mlp.ts';
import { type LoadedTest, loadSequentialTest, stagePlan } from '../../shared/detector/sequential-test.ts';
import { loadTriggerCheck, type TriggerCheck } from '../../shared/detector/trigger-check.ts';
import { GuardError } from '../../shared/errors.ts';
import { planVectorLength } from '../../shared/maths/plan-vector.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { planDigest } from '../../shared/noise/plan-digest.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import type { R2Binding } from '../bindings.ts';

/** Scores are equal where they differ by at most this, relative to the larger of one and their size. */
export const scoreTolerance = 1e-6;

/** An artefact that passed its checks. */
export interface LoadedArtefact {
  readonly key: string;
  /** `sha256:…` of its bytes. */
  readonly digest: string;
  readonly artefact: DetectorArtefact;
  readonly planDigest: string;
  readonly mlp: Mlp;
  /** Where the artefact has a sequential test, which then takes the place of the whole plan. */
  readonly sequential: LoadedSequential | undefined;
  /** Where the artefact has one: looked at beside the score. */
  readonly triggerCheck?: TriggerCheck | undefined;
  /** What the guard judges by: of the sequential test where there is one. */
  readonly threshold: DetectorArtefact['threshold'];
}

/** A sequential test and the digests of its stages' plans. */
export interface LoadedSequential {
  readonly test: LoadedTest;
  /** One a stage. */
  readonly planDigests: readonly string[];
}

interface ArtefactFile {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly trusted: ArtefactPublicKey | undefined;
}

/** Where artefacts come from. */
export interface ArtefactStore {
  /** @throws GuardError `detector_unavailable` where it is missing, cannot be read, is not signed as it must be or fails its own check */
  load(key: string): Promise<LoadedArtefact>;
  /** One that was loaded before; waiting for it needs no deadline. */
  loaded(key: string): LoadedArtefact | undefined;
}

/**
 * Makes the store over a bucket. An artefact is immutable: a new detector has a new key.
 * @param publicKey key that every artefact must be signed with, 32 bytes in base64; undefined looks at no signature
 */
export async function artefactStore(
  bucket: R2Binding,
  { publicKey }: { publicKey: string | undefined },
): Promise<ArtefactStore> {
  const trusted = publicKey === undefined ? undefined : await importArtefactPublicKey(publicKey);
  // Values, not promises: a promise of one request must not be awaited by another that outlives it.
  const loaded = new Map<string, LoadedArtefact>();
  return {
    loaded: (key) => loaded.get(key),
    async load(key) {
      const known = loaded.get(key);
      if (known !== undefined) return known;
      const bytes = await readObject(bucket, key);
      try {
        const artefact = await readArtefact({ key, bytes, trusted });
        loaded.set(key, artefact);
        return artefact;
      } catch (cause) {
        throw new GuardError('detector_unavailable', 'the detector artefact is not usable', { cause });
      }
    },
  };
}

/** Whether two implementations computed the same score; never where one is not a number. */
export function sameScore(one: number, other: number): boolean {
  return Math.abs(one - other) <= scoreTolerance * Math.max(1, Math.abs(other));
}

/**
 * Reads an artefact's bytes, checks who signed them and runs its self-check in plain TypeScript.
 * @throws GuardError `invalid_artefact`
 */
async function readArtefact({ key, bytes, trusted }: ArtefactFile): Promise<LoadedArtefact> {
  const json = parseJson(bytes);
  const parsed = detectorArtefactSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new GuardError('invalid_artefact', `${issue.path.map(String).join('.')}: ${issue.message}`);
  }
  if (trusted !== undefined) await verifyArtefact(json as StoredArtefact, trusted);
  const artefact = parsed.data;
  const mlp = mlpOfArtefact(artefact);
  const { vectors, scores } = artefact.self_check;
  const { plan, vector, model } = artefact;
  if (vector.length !== planVectorLength(vector.design, { classes: model.classes, plan })) {
    throw new GuardError('invalid_artefact', 'vector.length is not that of its design');
  }
  if (
    vectors.length !== scores.length ||
    vectors.some((vector) => vector.length !== artefact.vector.length)
  ) {
    throw new GuardError('invalid_artefact', 'self_check does not have the shape of the vector');
  }
  checkScores(mlp, { vectors, scores });
  return {
    key,
    digest: await sha256Digest(bytes),
    artefact,
    planDigest: await planDigest(plan),
    mlp,
    sequential: await loadSequential(artefact),
    triggerCheck: artefact.trigger_check && loadTriggerCheck(artefact, artefact.trigger_check),
    threshold: artefact.sequential?.threshold ?? artefact.threshold,
  };
}

async function loadSequential(artefact: DetectorArtefact): Promise<LoadedSequential | undefined> {
  if (artefact.sequential === undefined) return undefined;
  const test = loadSequentialTest(artefact, artefact.sequential);
  for (const [index, { self_check: check }] of artefact.sequential.stages.entries()) {
    const { mlp, length } = test.stages[index];
    if (
      check.vectors.length !== check.scores.length ||
      check.vectors.some((vector) => vector.length !== length)
    ) {
      throw new GuardError(
        'invalid_artefact',
        `the self_check of stage ${index} does not have the shape of its vector`,
      );
    }
    checkScores(mlp, check);
  }
  const plans = test.stages.map(({ runs }) => stagePlan(artefact.plan, runs));
  return { test, planDigests: await Promise.all(plans.map(planDigest)) };
}

function checkScores(mlp: Mlp, { vectors, scores }: DetectorArtefact['self_check']): void {
  if (!vectors.every((vector, index) => sameScore(mlpScore(mlp, vector), scores[index]))) {
    throw new GuardError('invalid_artefact', 'the detector does not reproduce its self-check');
  }
}

async function readObject(bucket: R2Binding, key: string): Promise<Uint8Array> {
  const unreadable = (cause: unknown): never => {
    throw new GuardError('detector_unavailable', 'the artefact store cannot be read', { cause });
  };
  const object = await bucket.get(key).catch(unreadable);
  if (object === null) throw new GuardError('detector_unavailable', 'there is no detector artefact');
  return new Uint8Array(await object.arrayBuffer().catch(unreadable));
}
