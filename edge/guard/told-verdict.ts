// What a caller is told of a verdict: a score says how far the next attempt has to go.
import type { Policy } from '../../shared/contracts/policy.ts';
import type { Verdict } from '../../shared/contracts/verdict.ts';
import { nearDuplicates, queryTechnique } from './raise-queries.ts';

/** A verdict without everything by which one input could be compared with another, unless the policy reveals scores. */
export function toldVerdict(recorded: Verdict, { reveal }: Pick<Policy, 'reveal'>): Verdict {
  // The count and the technique would tell an attacker by how much the next query has to differ: nobody but operators reads them.
  const verdict = { ...recorded };
  delete verdict.queries;
  const taxonomy = verdict.taxonomy.filter((technique) => technique !== queryTechnique);
  const reasons = verdict.reasons.filter((reason) => reason !== nearDuplicates);
  if (reveal === 'scores') return { ...verdict, reasons, taxonomy };
  return {
    ...verdict,
    taxonomy,
    score: null,
    threshold: null,
    target_fpr: null,
    fpr_ci95: null,
    reasons: [],
    rows: [],
    detector: null,
  };
}
