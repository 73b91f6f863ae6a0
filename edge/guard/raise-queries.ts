// What the check for query attacks makes of a verdict.
import type { Verdict } from '../../shared/contracts/verdict.ts';
import type { GuardError } from '../../shared/errors.ts';
import { failureOf, failureRefuses } from './failure-policy.ts';
import type { JudgedRequest, Judgement } from './judge-input.ts';

/** The reason of a verdict that the check raised. */
export const nearDuplicates = 'queries.near_duplicates';

/** MITRE ATLAS: Craft Adversarial Data, by Black-Box Optimization. */
export const queryTechnique = 'AML.T0043.001';
const queryTaxonomy = ['AML.T0043', queryTechnique];

/** What the check found: of the row that nearly equals most, how many earlier inputs; or why it could not. */
export type QueryFinding =
  | { readonly matches: number; readonly error?: undefined }
  | { readonly error: GuardError };

type Raised = Pick<JudgedRequest, 'model' | 'enforces'>;

/** Raises a judgement to what the finding says. A block stands, whichever of scoring and check found it and whatever became of the other. */
export function raiseQueries(
  { verdict, error }: Judgement,
  finding: QueryFinding,
  request: Raised,
): Judgement {
  if (finding.error !== undefined) return unchecked({ verdict, error }, finding.error, request);
  const { queries, mode } = request.model.policy;
  if (queries === null) return { verdict, error };
  const { matches_min, window_s, action } = queries;
  const told: Verdict = { ...verdict, queries: { matches: finding.matches, matches_min, window_s } };
  if (finding.matches < matches_min) return { verdict: told, error };
  const raised: Verdict = {
    ...told,
    reasons: [...verdict.reasons, nearDuplicates],
    taxonomy: [...new Set([...verdict.taxonomy, ...queryTaxonomy])],
  };
  if (action === 'flag') {
    return { verdict: { ...raised, verdict: verdict.verdict === 'allow' ? 'flag' : verdict.verdict }, error };
  }
  // Who asks like this is refused whole: an answer to some of the rows would still say where the boundary is.
  delete raised.rows_cut;
  return {
    verdict: { ...raised, verdict: 'block', enforced: request.enforces && mode === 'enforce' },
    error: undefined,
  };
}

/** The judgement of a request whose check failed: what was scored as clean is not known to be no attack. */
function unchecked(
  { verdict, error }: Judgement,
  failed: GuardError,
  { model, enforces }: Raised,
): Judgement {
  if (verdict.verdict === 'block' || verdict.failure !== null) return { verdict, error };
  const { report } = failureOf(failed);
  return {
    verdict: {
      ...verdict,
      verdict: 'error',
      enforced: enforces && failureRefuses(model.policy, report.class),
      score: null,
      reasons: [`failure.${report.class}`],
      failure: report,
      rows: [],
      taxonomy: [],
    },
    error: failed,
  };
}
