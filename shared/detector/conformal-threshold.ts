// Split conformal calibration: the threshold whose false positive rate is at most its target on clean inputs.
import { GuardError } from '../errors.ts';

/**
 * Chooses the threshold from scores of clean inputs that took no part in training.
 *
 * With n exchangeable scores, flagging what exceeds the k-th smallest, k = ceil((n + 1)(1 - target)), flags a new clean
 * input with probability at most the target.
 * @param cleanScores [n], in any order, finite
 * @param targetFpr in (0, 1)
 * @returns the threshold and its rank k, 1 <= k <= n; an input is flagged where its score is greater
 * @throws GuardError `invalid_dataset` where n is too small for the target
 * @see Vovk et al., Algorithmic Learning in a Random World (2005), split (inductive) conformal prediction
 */
export function conformalThreshold(
  cleanScores: ArrayLike<number>,
  targetFpr: number,
): { threshold: number; rank: number } {
  requireThresholdSamples(cleanScores.length, targetFpr);
  const sorted = Float64Array.from(cleanScores).sort();
  const rank = conformalRank(sorted.length, targetFpr);
  return { threshold: sorted[rank - 1], rank };
}

/**
 * Refuses fewer clean inputs than a threshold needs: called before the work that would end in vain.
 * @throws GuardError `invalid_dataset`
 */
export function requireThresholdSamples(samples: number, targetFpr: number): void {
  const needed = conformalSamplesNeeded(targetFpr);
  if (samples >= needed) return;
  const detail = `a false positive rate of ${targetFpr} needs at least ${needed} clean calibration inputs, there are ${samples}`;
  throw new GuardError('invalid_dataset', detail);
}

/** Rank of the threshold among n ascending clean scores: ceil((n + 1)(1 - target)). */
export function conformalRank(samples: number, targetFpr: number): number {
  // A hair below, so that (n + 1)(1 - target) is not lifted over a whole number by rounding.
  return Math.ceil((samples + 1) * (1 - targetFpr) - 1e-9);
}

/** Fewest clean inputs for which a finite threshold exists: ceil((n + 1)(1 - target)) <= n. */
export function conformalSamplesNeeded(targetFpr: number): number {
  return Math.ceil(1 / targetFpr - 1e-9) - 1;
}
