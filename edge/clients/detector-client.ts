// Scores vectors by the plain TypeScript MLP and in the detector Worker, which have to agree where both are asked.
import { assert } from '../../shared/assert.ts';
import type { Scorer } from '../../shared/contracts/verdict.ts';
import { mlpScore, vectorLength } from '../../shared/detector/mlp.ts';
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { DetectorBinding, ScoreAnswer } from '../bindings.ts';
import { type LoadedArtefact, sameScore } from './artefact-store.ts';

/** Vectors to score. */
export interface ScoreVectors {
  readonly loaded: LoadedArtefact;
  /** Which stage of its sequential test scores; the full test where it is not given. */
  readonly stage?: number;
  /** Row-major [rows, vector length], finite. */
  readonly vectors: Float64Array;
  readonly rows: number;
  /** How long the detector Worker may take before the fallback's scores are used. */
  readonly timeoutMs: number;
  /** Scores with this implementation and no other; without it the Worker is asked first. */
  readonly only?: Scorer;
  /** Whether the Worker is asked all the same and has to agree; the scores stay those of `only`. */
  readonly check?: boolean;
}

/** Scores and who computed them. */
export interface Scores {
  /** [rows]: adversarial logit - clean logit, finite. */
  readonly values: Float64Array;
  readonly scorer: Scorer;
  /** Where the implementations disagree: `values` are then the higher ones, which may refuse an input and never let it pass. */
  readonly disagreement?: GuardError;
}

/** What scores vectors. */
export interface DetectorClient {
  /** @throws GuardError `detector_unavailable` where the only implementation asked for fails, or gives no scores of these rows */
  score(call: ScoreVectors): Promise<Scores>;
}

/** Makes the client of one detector Worker. `onFallback` counts each time its scores had to be done without. */
export function detectorClient(
  binding: DetectorBinding,
  onFallback: (model: string) => void,
): DetectorClient {
  return {
    async score(call) {
      const { loaded, rows, only, check = false } = call;
      const plain = plainScores(call);
      if (only === 'typescript' && !check) return { values: plain, scorer: 'typescript' };
      let answer: ScoreAnswer;
      try {
        answer = await askDetector(binding, call);
      } catch (cause) {
        if (only === 'onnxruntime-web') {
          throw new GuardError('detector_unavailable', 'the detector Worker does not answer', { cause });
        }
        log('warn', 'detector.fallback', { model: loaded.artefact.model.name, cause });
        onFallback(loaded.artefact.model.name);
        return { values: plain, scorer: 'typescript' };
      }
      const { scores, scorer } = answer;
      if (scores.length !== rows || !plain.every((score, row) => sameScore(scores[row], score))) {
        const detail = 'two implementations of the detector disagree';
        const disagreement = new GuardError('detector_unavailable', detail);
        const values = plain.map((score, row) => {
          // A score that is missing or no number counts for nothing.
          return Number.isFinite(scores[row]) ? Math.max(score, scores[row]) : score;
        });
        return { values, scorer, disagreement };
      }
      return check ? { values: plain, scorer: 'typescript' } : { values: scores, scorer };
    },
  };
}

function plainScores({ loaded, stage, vectors, rows }: ScoreVectors): Float64Array {
  const mlp = stage === undefined ? loaded.mlp : loaded.sequential?.test.stages[stage].mlp;
  assert(mlp !== undefined, 'a stage is of a sequential test');
  const length = vectorLength(mlp);
  const scores = Float64Array.from({ length: rows }, (_, row) =>
    mlpScore(mlp, vectors.subarray(row * length, (row + 1) * length)),
  );
  if (!scores.every(Number.isFinite)) {
    throw new GuardError('detector_unavailable', 'the detector gave a score that is no number');
  }
  return scores;
}

async function askDetector(
  binding: DetectorBinding,
  { loaded, stage, vectors, rows, timeoutMs }: ScoreVectors,
): Promise<ScoreAnswer> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no scores within ${timeoutMs} ms`)), timeoutMs);
  const call = {
    artefactKey: loaded.key,
    artefactDigest: loaded.digest,
    ...(stage !== undefined && { stage }),
    vectors,
    rows,
  };
  const scoring = binding.score(call);
  try {
    return await Promise.race([scoring, late]);
  } finally {
    clearTimeout(timer);
    // A late refusal has nobody left to hear it.
    Promise.resolve(scoring).catch(() => undefined);
  }
}
