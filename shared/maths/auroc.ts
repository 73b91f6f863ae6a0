// Area under the ROC curve and its points, exact with ties.
import { assert } from '../assert.ts';

/**
 * Area under the receiver operating characteristic: the share of (positive, negative) pairs that the score orders right,
 * a tie counting half.
 * @param positives scores of adversarial inputs, any order, no NaN
 * @param negatives scores of clean inputs
 * @returns in [0, 1]; 0.5 is chance
 * @throws Error where either is empty or holds NaN
 * @see Mann and Whitney 1947; Hanley and McNeil 1982
 */
export function auroc(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  assert(positives.length > 0 && negatives.length > 0, 'an AUROC needs scores of both classes');
  const sorted = Float64Array.from(negatives).sort();
  assert(!Number.isNaN(sorted[sorted.length - 1]), 'a score is not a number');
  let pairs = 0;
  for (let index = 0; index < positives.length; index++) {
    const score = positives[index];
    assert(!Number.isNaN(score), 'a score is not a number');
    pairs += (countBelow(sorted, score, false) + countBelow(sorted, score, true)) / 2;
  }
  return pairs / (positives.length * negatives.length);
}

/** Share of scores above a threshold; 0 for no scores. */
export function rateAbove(scores: ArrayLike<number>, threshold: number): number {
  let above = 0;
  for (let index = 0; index < scores.length; index++) if (scores[index] > threshold) above++;
  return scores.length === 0 ? 0 : above / scores.length;
}

/**
 * True positive rate where at most `fpr` of the clean scores are flagged.
 * @returns in [0, 1]
 */
export function tprAtFpr(positives: ArrayLike<number>, negatives: ArrayLike<number>, fpr: number): number {
  const sorted = Float64Array.from(negatives).sort();
  const allowed = Math.floor(fpr * sorted.length);
  return rateAbove(positives, sorted[sorted.length - 1 - allowed]);
}

/** How many entries of an ascending array are less than `value`, or less or equal. */
function countBelow(sorted: Float64Array, value: number, orEqual: boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value || (orEqual && sorted[middle] === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}
