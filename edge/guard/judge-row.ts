// What the score of one row means under a policy.
import type { Policy } from '../../shared/contracts/policy.ts';
import type { RowVerdict } from '../../shared/contracts/verdict.ts';
import { exceedsTrigger, type TriggerScore } from '../../shared/detector/trigger-check.ts';

/** What is known of a row; see `ScoredRow`. */
export interface RowScores {
  readonly score: number;
  /** The detector's own for this row. */
  readonly threshold: number;
  readonly trigger?: TriggerScore | undefined;
}

/** The meaning of a row's scores, and what led to it. */
export interface RowMeaning {
  readonly verdict: RowVerdict['verdict'];
  /** What the row was judged by: the policy's threshold for blocking, or the detector's own. */
  readonly threshold: number;
  readonly exceeds: { readonly block: boolean; readonly flag: boolean; readonly trigger: boolean };
}

/** Judges a row: refused above the threshold or with a trigger, flagged above the policy's lower threshold. */
export function judgeRow(
  { score, threshold: calibrated, trigger }: RowScores,
  thresholds: Policy['thresholds'],
): RowMeaning {
  const threshold = thresholds.block ?? calibrated;
  const exceeds = {
    // Written so that a score that is no number could never be a pass.
    block: !(score <= threshold),
    flag: thresholds.flag !== null && !(score <= thresholds.flag),
    trigger: exceedsTrigger(trigger),
  };
  const passing = exceeds.flag ? 'flag' : 'allow';
  return { verdict: exceeds.block || exceeds.trigger ? 'block' : passing, threshold, exceeds };
}

/** What the worst of some rows means for all of them. */
export function worstVerdict(rows: readonly Pick<RowVerdict, 'verdict'>[]): RowVerdict['verdict'] {
  const kinds = rows.map(({ verdict }) => verdict);
  return (['block', 'flag'] as const).find((kind) => kinds.includes(kind)) ?? 'allow';
}
