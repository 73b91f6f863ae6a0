// Builds the verdict object, from scores and a threshold or from a failure.
import type { RowVerdict, Verdict } from '../../shared/contracts/verdict.ts';
import type { LoadedArtefact } from '../clients/artefact-store.ts';
import type { GuardedModel } from './current-policies.ts';
import { rowsToCut } from './cut-rows.ts';
import { type Failure, failureOf, failureRefuses } from './failure-policy.ts';
import { judgeRow, worstVerdict } from './judge-row.ts';
import type { ScoredInput } from './score-input.ts';

/** MITRE ATLAS: Evade ML Model, Craft Adversarial Data. */
const blockTaxonomy = ['AML.T0015', 'AML.T0043'];
/** MITRE ATLAS: Craft Adversarial Data, by inserting a backdoor's trigger. */
const triggerTaxonomy = ['AML.T0043.004'];

/** What every verdict says of its request. */
export interface VerdictHead {
  readonly id: string;
  readonly requestId: string;
  readonly traceId: string | null;
  readonly model: GuardedModel;
  /** Whether a verdict can refuse this request: it cannot where only a verdict was asked for. */
  readonly enforces: boolean;
  readonly totalMs: number;
}

/** The verdict of an input that was scored: that of its worst row. Where a row is blocked, no failure on the way to the others undoes that. */
export function scoredVerdict(
  head: VerdictHead,
  { scored, loaded, noiseKeyId }: { scored: ScoredInput; loaded: LoadedArtefact; noiseKeyId: string },
): Verdict {
  const { mode, thresholds, batch } = head.model.policy;
  const meanings = scored.rows.map((row) => judgeRow(row, thresholds));
  const rows = scored.rows.map(
    ({ row, score, trigger, forwards, inputDigest }, index): RowVerdict & { threshold: number } => {
      const { verdict, threshold } = meanings[index];
      const found = { row, verdict, score, threshold, forwards, input_digest: inputDigest };
      return trigger === undefined ? found : { ...found, trigger: { ...trigger } };
    },
  );
  // Rows may have thresholds of their own: what is said of the request is said of the row nearest to a refusal.
  const worst = rows.reduce((found, row) =>
    row.score - row.threshold > found.score - found.threshold ? row : found,
  );
  const adversarial = meanings.some(({ exceeds }) => exceeds.block);
  const flagged = meanings.some(({ exceeds }) => exceeds.flag);
  const triggered = meanings.some(({ exceeds }) => exceeds.trigger);
  const blocked = adversarial || triggered;
  const failure = scored.broken && failureOf(scored.broken).report;
  const detector = describeDetector(loaded, noiseKeyId);
  const enforced = blocked && head.enforces && mode === 'enforce';
  // Of a scoring that broke off not all rows are known, and those are not what is left.
  const cuts = enforced && batch === 'cut' && failure === undefined;
  const cut = cuts ? rowsToCut({ rows }) : undefined;
  return {
    ...common(head),
    verdict: worstVerdict(rows),
    enforced,
    ...(cut === undefined ? {} : { rows_cut: cut }),
    score: worst.score,
    ...describeThreshold(loaded),
    threshold: worst.threshold,
    // No calibration promises anything of a threshold that a policy chose.
    ...(thresholds.block === null
      ? { fpr_ci95: intervalOf(loaded, worst.threshold) }
      : { target_fpr: null, fpr_ci95: null }),
    reasons: [
      ...(adversarial ? ['nccr.above_threshold'] : []),
      ...(flagged && !adversarial ? ['nccr.above_flag_threshold'] : []),
      ...(triggered ? ['trigger.far_from_class'] : []),
      ...(failure ? [`failure.${failure.class}`] : []),
    ],
    failure: failure ?? null,
    rows,
    detector: {
      ...detector,
      compiled_digest: scored.compiledDigest,
      ...(scored.stageDigests && { stage_digests: [...scored.stageDigests] }),
      scorer: scored.scorer,
    },
    timings_ms: { extract: scored.extractMs, decide: scored.decideMs, total: head.totalMs },
    taxonomy: [...(adversarial || flagged ? blockTaxonomy : []), ...(triggered ? triggerTaxonomy : [])],
  };
}

/** Why a request is not looked at. */
export interface LeftOut {
  readonly reason: 'policy.sampled_out' | 'shadow.shed';
  readonly failure?: Failure['report'];
}

/** The verdict of a request that is left out on purpose; not scored, and never clean. */
export function leftOutVerdict(head: VerdictHead, { reason, failure }: LeftOut): Verdict {
  return {
    ...common(head),
    verdict: 'not_scored',
    enforced: false,
    score: null,
    ...describeThreshold(undefined),
    reasons: [reason],
    failure: failure ?? null,
    rows: [],
    detector: null,
    timings_ms: { extract: 0, decide: 0, total: head.totalMs },
    taxonomy: [],
  };
}

/** The verdict of an input that could not be scored; never a pass. */
export function failedVerdict(
  head: VerdictHead,
  {
    failure,
    loaded,
    noiseKeyId,
  }: { failure: Failure; loaded: LoadedArtefact | undefined; noiseKeyId: string },
): Verdict {
  return {
    ...common(head),
    verdict: failure.verdict,
    enforced: head.enforces && failureRefuses(head.model.policy, failure.report.class),
    score: null,
    ...describeThreshold(loaded),
    reasons: [`failure.${failure.report.class}`],
    failure: failure.report,
    rows: [],
    detector:
      loaded === undefined
        ? null
        : { ...describeDetector(loaded, noiseKeyId), compiled_digest: null, scorer: null },
    timings_ms: { extract: 0, decide: 0, total: head.totalMs },
    taxonomy: [],
  };
}

function common({ id, requestId, traceId, model }: VerdictHead) {
  return {
    id,
    request_id: requestId,
    at: new Date().toISOString(),
    mode: model.policy.mode,
    policy: { id: model.name, version: model.policyVersion },
    trace_id: traceId,
  };
}

function describeThreshold(loaded: LoadedArtefact | undefined) {
  const threshold = loaded?.threshold;
  return {
    threshold: threshold?.value ?? null,
    target_fpr: threshold?.target_fpr ?? null,
    fpr_ci95: threshold?.fpr_ci95 ?? null,
  };
}

/** What the calibration promises of the threshold that a row was judged by. */
function intervalOf({ threshold }: LoadedArtefact, value: number): [number, number] {
  return threshold.per_class?.find((own) => own.value === value)?.fpr_ci95 ?? threshold.fpr_ci95;
}

function describeDetector({ artefact, digest }: LoadedArtefact, noiseKeyId: string) {
  return {
    name: artefact.name,
    version: artefact.version,
    artefact: digest,
    model: artefact.model.name,
    model_digest: artefact.model.digest,
    noise_key_id: noiseKeyId,
  };
}
