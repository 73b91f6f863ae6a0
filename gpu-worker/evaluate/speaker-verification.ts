// Verification with a speaker model: is this window of the speaker that it claims, by three kinds of scores.
import { type EqualErrorRate, equalErrorRate } from '../../shared/maths/equal-error-rate.ts';
import { fitPlda, pldaCoordinates, pldaScore } from '../../shared/maths/plda.ts';
import { predictedLabel } from '../attacks/attack.ts';
import { runInBatches } from '../baselines/run-in-batches.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { Engine } from '../engine/engine.ts';
import { tappedModel } from '../onnx/tapped-model.ts';

/** How a claim is scored: by the model's own output, by the cosine of two embeddings, by PLDA of them. */
export const verificationScores = ['model', 'cosine', 'plda'] as const;
export type VerificationScore = (typeof verificationScores)[number];

/** Windows as the model sees them. */
export interface EmbeddedWindows {
  /** Row-major [count, dimensions]. */
  readonly embeddings: Float32Array;
  /** Row-major [count, speakers]. */
  readonly logits: Float32Array;
}

/** Gives the embeddings of windows. */
export interface Embedder {
  readonly dimensions: number;
  embed(dataset: Dataset): Promise<EmbeddedWindows>;
  close(): Promise<void>;
}

/** Scores every claim: row-major [count, speakers]. */
export type ScoreClaims = (windows: EmbeddedWindows) => Record<VerificationScore, Float64Array>;

/**
 * Loads a model with its embedding beside its logits.
 * @param tensor name of the embedding in the file
 * @throws GuardError `invalid_model` where the tensor is not there
 */
export async function openEmbedder(
  model: Uint8Array,
  { engine, tensor, classes }: { engine: Engine; tensor: string; classes: number },
): Promise<Embedder> {
  const { bytes, widths } = await tappedModel(model, { engine, tensors: [tensor] });
  const loaded = await engine.load(bytes);
  const [dimensions] = widths;
  return {
    dimensions,
    async embed({ inputs, inputShape }) {
      const { tap_0: embeddings, logits } = await runInBatches(loaded, inputs, {
        inputShape,
        widths: { tap_0: dimensions, logits: classes },
      });
      return { embeddings, logits };
    },
    close: () => loaded.release(),
  };
}

/**
 * Enrols speakers by the mean of their embeddings and learns PLDA from the same windows.
 * @param labels [count] of the windows, all of 0..speakers-1
 */
export function enrol(
  { embeddings }: EmbeddedWindows,
  { labels, dimensions, speakers }: { labels: ArrayLike<number>; dimensions: number; speakers: number },
): ScoreClaims {
  const plda = fitPlda(embeddings, { dimensions, speakers: labels });
  const rowOf = (rows: Float32Array, row: number) => rows.subarray(row * dimensions, (row + 1) * dimensions);
  const centred = (row: Float32Array) => Float64Array.from(row, (value, index) => value - plda.mean[index]);
  const enrolled = Array.from({ length: speakers }, (_, speaker) => {
    const rows = Array.from(labels).flatMap((label, row) => (label === speaker ? [row] : []));
    const mean = new Float64Array(dimensions);
    for (const row of rows) {
      for (const [index, value] of rowOf(embeddings, row).entries()) mean[index] += value / rows.length;
    }
    return {
      windows: rows.length,
      centre: centred(Float32Array.from(mean)),
      coordinates: pldaCoordinates(plda, mean),
    };
  });
  return (windows) => {
    const count = windows.logits.length / speakers;
    const scores = {
      model: Float64Array.from(windows.logits),
      cosine: new Float64Array(count * speakers),
      plda: new Float64Array(count * speakers),
    };
    for (let row = 0; row < count; row++) {
      const own = rowOf(windows.embeddings, row);
      const [test, direction] = [pldaCoordinates(plda, own), centred(own)];
      for (const [speaker, { windows: held, centre, coordinates }] of enrolled.entries()) {
        const at = row * speakers + speaker;
        scores.cosine[at] = cosine(direction, centre);
        scores.plda[at] = pldaScore(plda, { enrolled: coordinates, windows: held, test });
      }
    }
    return scores;
  };
}

/** The equal error rate of claims: each window is tried against every speaker. */
export function claimErrors(
  claims: Float64Array,
  { labels, speakers }: { labels: ArrayLike<number>; speakers: number },
): EqualErrorRate {
  const own = (_: number, at: number) => labels[Math.floor(at / speakers)] === at % speakers;
  return equalErrorRate(
    claims.filter(own),
    claims.filter((value, at) => !own(value, at)),
  );
}

/** What becomes of adversarial windows at a threshold. */
export interface AttackedClaims {
  /** Share that is still accepted as the true speaker. */
  readonly own: number;
  /** Share that is accepted as the speaker whom the model names. */
  readonly named: number;
}

/** Verifies adversarial windows as their true speakers and as those that identification takes them for. */
export function attackedClaims(
  claims: Float64Array,
  {
    labels,
    logits,
    speakers,
    threshold,
  }: { labels: ArrayLike<number>; logits: Float32Array; speakers: number; threshold: number },
): AttackedClaims {
  const count = labels.length;
  let [own, named] = [0, 0];
  for (let row = 0; row < count; row++) {
    if (claims[row * speakers + labels[row]] >= threshold) own++;
    if (claims[row * speakers + predictedLabel(logits, row, speakers)] >= threshold) named++;
  }
  return { own: own / count, named: named / count };
}

function cosine(left: Float64Array, right: Float64Array): number {
  let [both, ours, theirs] = [0, 0, 0];
  for (let index = 0; index < left.length; index++) {
    both += left[index] * right[index];
    ours += left[index] ** 2;
    theirs += right[index] ** 2;
  }
  return ours === 0 || theirs === 0 ? 0 : both / Math.sqrt(ours * theirs);
}
