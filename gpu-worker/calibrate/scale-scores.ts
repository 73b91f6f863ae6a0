// Puts the scores of different perceptrons on one scale: logarithms of odds that hold on rows they were not trained on.
import { assertShape } from '../../shared/assert.ts';
import type { Mlp } from '../../shared/detector/mlp.ts';

/** Scores with their classes. */
export interface ScoredRows {
  /** [count]. */
  readonly scores: ArrayLike<number>;
  /** [count]: 1 adversarial, 0 clean. */
  readonly adversarial: ArrayLike<number>;
  /** [count], at least 0: what a row counts. */
  readonly weights: ArrayLike<number>;
}

/** `slope * score + offset`. */
export interface ScoreScale {
  readonly slope: number;
  readonly offset: number;
}

/** Newton's steps; it has converged long before. */
const steps = 20;
/** Keeps the second derivative from vanishing where the classes fall apart. */
const ridge = 1e-9;

/**
 * Fits the logistic curve from scores to classes. A perceptron is surer of itself than it should be, the more so the larger
 * it is: its scores could not be compared with those of another.
 * @param rows scored by perceptrons that were not trained on them
 * @returns the scale; the scores as they are where the curve does not rise
 * @see Platt, "Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods" (1999)
 */
export function fitScoreScale({ scores, adversarial, weights }: ScoredRows): ScoreScale {
  assertShape(adversarial, [scores.length], 'adversarial');
  assertShape(weights, [scores.length], 'weights');
  let total = 0;
  for (let row = 0; row < scores.length; row++) total += weights[row];
  let [slope, offset] = [0, 0];
  for (let step = 0; step < steps; step++) {
    let [byOffset, bySlope] = [0, 0];
    let [offsets, mixed, slopes] = [ridge, 0, ridge];
    for (let row = 0; row < scores.length; row++) {
      const score = scores[row];
      const probability = 1 / (1 + Math.exp(-slope * score - offset));
      const weight = weights[row] / total;
      const error = weight * (probability - adversarial[row]);
      const curvature = weight * probability * (1 - probability);
      byOffset += error;
      bySlope += error * score;
      offsets += curvature;
      mixed += curvature * score;
      slopes += curvature * score * score;
    }
    const determinant = offsets * slopes - mixed * mixed;
    offset -= (slopes * byOffset - mixed * bySlope) / determinant;
    slope -= (offsets * bySlope - mixed * byOffset) / determinant;
  }
  const rises = slope > 0 && Number.isFinite(slope) && Number.isFinite(offset);
  return rises ? { slope, offset } : { slope: 1, offset: 0 };
}

/** The perceptron whose scores are those of `mlp` on another scale. */
export function scaleMlp(mlp: Mlp, { slope, offset }: ScoreScale): Mlp {
  const layers = mlp.layers.map((layer, index) => {
    if (index < mlp.layers.length - 1) return layer;
    return {
      ...layer,
      weights: layer.weights.map((weight) => slope * weight),
      biases: layer.biases.map((bias, output) => slope * bias + (output === 1 ? offset : 0)),
    };
  });
  return { ...mlp, layers };
}
