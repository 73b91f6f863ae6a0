// What a caller is told of a verdict: a score says how far the next attempt has to go.
import type { Policy } from '../../shared/contracts/policy.ts';
import type { Verdict } from '../../shared/contracts/verdict.ts';

/** A verdict without everything by which one input could be compared with another, unless the policy reveals scores. */
export function toldVerdict(verdict: Verdict, { reveal }: Pick<Policy, 'reveal'>): Verdict {
  if (reveal === 'scores') return verdict;
  return {
    ...verdict,
    score: null,
    threshold: null,
    target_fpr: null,
    fpr_ci95: null,
    reasons: [],
    rows: [],
    detector: null,
  };
}
