// Builds the verdict object, from scores and a threshold or from a failure.
import type { RowVerdict, Verdict } from '../../shared/contracts/verdict.ts';
import { exceedsTrigger } from '../../shared/detector/trigger-check.ts';
import type { LoadedArtefact } from '../clients/artefact-store.ts';
import type { GuardedModel } from './current-policies.ts';
import { rowsToCut } from './cut-rows.ts';
import { type Failure, failureRefuses } from './failure-policy.ts';
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

/** The verdict of an input that was scored: a row is blocked where its score, or that of the trigger check, exceeds its threshold. */
export function scoredVerdict(
  head: VerdictHead,
  { scored, loaded, noiseKeyId }: { scored: ScoredInput; loaded: LoadedArtefact; noiseKeyId: string },
): Verdict {
  const rows = scored.rows.map(
    ({ score, threshold, trigger, forwards, inputDigest }, row): RowVerdict & { threshold: number } => {
      // Written so that a score that is no number could never be a pass.
      const verdict = score <= threshold && !exceedsTrigger(trigger) ? 'allow' : 'block';
      const found = { row, verdict, score, threshold, forwards, input_digest: inputDigest } as const;
      return trigger === undefined ? found : { ...found, trigger: { ...trigger } };
    },
  );
  // Rows may have thresholds of their own: what is said of the request is said of the row nearest to a refusal.
  const worst = rows.reduce((found, row) =>
    row.score - row.threshold > found.score - found.threshold ? row : found,
  );
  const adversarial = rows.some(({ score, threshold }) => !(score <= threshold));
  const triggered = rows.some(({ trigger }) => exceedsTrigger(trigger));
  const blocked = adversarial || triggered;
  const detector = describeDetector(loaded, noiseKeyId);
  const enforced = blocked && head.enforces && head.model.policy.mode === 'enforce';
  const cut = enforced && head.model.policy.batch === 'cut' ? rowsToCut({ rows }) : undefined;
  return {
    ...common(head),
    verdict: blocked ? 'block' : 'allow',
    enforced,
    ...(cut === undefined ? {} : { rows_cut: cut }),
    score: worst.score,
    ...describeThreshold(loaded),
    threshold: worst.threshold,
    fpr_ci95: intervalOf(loaded, worst.threshold),
    reasons: [
      ...(adversarial ? ['nccr.above_threshold'] : []),
      ...(triggered ? ['trigger.far_from_class'] : []),
    ],
    failure: null,
    rows,
    detector: {
      ...detector,
      compiled_digest: scored.compiledDigest,
      ...(scored.stageDigests && { stage_digests: [...scored.stageDigests] }),
      scorer: scored.scorer,
    },
    timings_ms: { extract: scored.extractMs, decide: scored.decideMs, total: head.totalMs },
    taxonomy: [...(adversarial ? blockTaxonomy : []), ...(triggered ? triggerTaxonomy : [])],
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
