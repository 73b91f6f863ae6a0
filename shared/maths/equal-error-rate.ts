// The point of a verification at which it errs to both sides alike.
import { assert } from '../assert.ts';

/** Where two kinds of error are as frequent as each other. */
export interface EqualErrorRate {
  /** Mean of both rates where they come closest, in [0, 1]. */
  readonly rate: number;
  /** Scores from here on are accepted. */
  readonly threshold: number;
}

/**
 * Finds the threshold at which as many target trials are refused as others are accepted.
 * @param targets scores of trials of the true speaker, finite
 * @param others scores of trials of other speakers
 * @throws Error where either is empty or holds NaN
 * @see Martin, Doddington, Kamm, Ordowski and Przybocki, "The DET curve in assessment of detection task performance" (1997)
 */
export function equalErrorRate(targets: ArrayLike<number>, others: ArrayLike<number>): EqualErrorRate {
  assert(targets.length > 0 && others.length > 0, 'an equal error rate needs trials of both kinds');
  const trials = [
    ...Array.from(targets, (score) => ({ score, target: true })),
    ...Array.from(others, (score) => ({ score, target: false })),
  ].sort((left, right) => left.score - right.score);
  assert(!trials.some(({ score }) => Number.isNaN(score)), 'a score is not a number');
  let [refused, accepted] = [0, others.length];
  let best = { rate: 0.5, threshold: trials[0].score, gap: Number.POSITIVE_INFINITY };
  for (let index = 0; index < trials.length; index++) {
    const { score } = trials[index];
    // A threshold lies at a score, so equal ones are passed together.
    if (index === 0 || score !== trials[index - 1].score) {
      const [miss, alarm] = [refused / targets.length, accepted / others.length];
      const gap = Math.abs(miss - alarm);
      if (gap < best.gap) best = { rate: (miss + alarm) / 2, threshold: score, gap };
    }
    if (trials[index].target) refused++;
    else accepted--;
  }
  return { rate: best.rate, threshold: best.threshold };
}
