// Baseline: the probability of the predicted class, one forward pass and no training.
import type { AttackTarget } from '../attacks/attack-target.ts';
import { type BaselineScores, countRows } from './baseline.ts';

/**
 * Scores inputs by how unsure the model is.
 *
 * Deviation: the score is `ln((1 - p) / p)`, which orders inputs as `1 - p` does but tells apart those whose `p` rounds
 * to 1.
 * @param inputs row-major [rows, ...inputShape]
 * @returns of the predicted class's probability p, the logarithm of the odds against it
 * @see Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution examples in neural networks"
 *   (2017), section 3
 */
export async function maximumSoftmaxBaseline(
  target: AttackTarget,
  inputs: Float32Array,
): Promise<BaselineScores> {
  const rows = countRows(target, inputs);
  const { classes } = target;
  const logits = await target.logits(inputs);
  const scores = Float64Array.from({ length: rows }, (_, row) =>
    logOddsAgainst(logits.subarray(row * classes, (row + 1) * classes)),
  );
  return { scores, passesPerInput: Math.sign(rows) };
}

/** Logarithm of the summed exponentials of all logits but the highest, over that of the highest. */
function logOddsAgainst(logits: Float32Array): number {
  const [highest, second, ...others] = logits.toSorted().reverse();
  const sum = others.reduce((total, value) => total + Math.exp(value - second), 1);
  return second - highest + Math.log(sum);
}
