// Scores a request by a sequential test: asks the gpu-worker stage by stage, each time for the rows still in doubt alone.
import { assert } from '../../shared/assert.ts';
import { changeColumns, planCopies, planNoiseCopies } from '../../shared/contracts/extraction.ts';
import type { Scorer } from '../../shared/contracts/verdict.ts';
import { rowThreshold } from '../../shared/detector/row-threshold.ts';
import { evidencePlan, isInDoubt, stagePlan, stageVector } from '../../shared/detector/sequential-test.ts';
import { exceedsTrigger, triggerScore } from '../../shared/detector/trigger-check.ts';
import { asGuardError, GuardError } from '../../shared/errors.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { partVersion } from '../../shared/noise/plan-digest.ts';
import type { RowSelection } from '../../shared/noise/select-rows.ts';
import type { LoadedArtefact, LoadedSequential } from '../clients/artefact-store.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardServices } from './guard-services.ts';
import { detectorTimeoutMsMax, type ScoredInput, type ScoredRow } from './score-input.ts';
import { rowOf, type ValidInput } from './validate-input.ts';

/** What is scored, with what, and until when. */
export interface ScoreStages {
  readonly loaded: LoadedArtefact & { readonly sequential: LoadedSequential };
  readonly input: ValidInput;
  /** Noise of the whole plan, one a row. */
  readonly selections: readonly RowSelection[];
  /** Instant of `Date.now()`, of all stages together. */
  readonly deadlineAt: number;
  readonly trace: TraceContext;
  readonly only: Scorer | undefined;
  readonly check: boolean;
}

type Services = Pick<GuardServices, 'noiseKey' | 'extractor' | 'detector'>;

/** What is known of one row. */
interface RowEvidence {
  /** [planCopies + 1, classes]; runs that were not made hold zeros that nobody reads. */
  readonly logits: Float32Array;
  activations: Float32Array;
  /** Stages that were extracted. */
  stages: number;
  forwards: number;
}

/** What is known of a request. */
interface Evidence {
  readonly rows: readonly RowEvidence[];
  /** Digest of the compiled graph of each stage that was asked. */
  readonly digests: string[];
  extractMs: number;
}

/** How far a test has come. */
interface Progress {
  /** One a row: of the last stage that scored it, NaN before. */
  scores: Float64Array;
  /** Rows that are still in doubt. */
  open: number[];
  scorer: Scorer | undefined;
}

/**
 * Scores every row of an input. What earlier stages said of a row in doubt is no score: where a stage fails only those rows are
 * given that were decided before.
 * @throws GuardError as the extractor's and the detector's clients do, where no row was decided
 * @see `sequentialScore`, the same decision where everything is known
 */
export async function scoreStages(call: ScoreStages, services: Services): Promise<ScoredInput> {
  const { artefact } = call.loaded;
  const startedAt = performance.now();
  const { classes } = artefact.model;
  const runs = planCopies(artefact.plan) + 1;
  const evidence: Evidence = {
    rows: call.selections.map(() => ({
      logits: new Float32Array(runs * classes),
      activations: new Float32Array(0),
      stages: 0,
      forwards: 0,
    })),
    digests: [],
    extractMs: 0,
  };
  // Where the detector Worker fails between two stages, all are scored again by the other implementation, so that one name
  // stands for every score of the verdict and a replay can repeat them. What was extracted is kept.
  const progress: Progress = { scores: new Float64Array(0), open: [], scorer: undefined };
  let broken: GuardError | undefined;
  try {
    const ended =
      (await runStages(call, services, { evidence, progress, only: call.only })) ||
      (await runStages(call, services, { evidence, progress, only: 'typescript' }));
    assert(ended, 'one implementation scores every stage');
  } catch (thrown) {
    broken = asGuardError(thrown);
  }
  const rows = decidedRows(call, { evidence, progress });
  const { scorer } = progress;
  if (rows.length === 0 || scorer === undefined) throw broken;
  return {
    rows,
    scorer,
    compiledDigest: evidence.digests[0],
    stageDigests: evidence.digests,
    extractMs: evidence.extractMs,
    decideMs: performance.now() - startedAt - evidence.extractMs,
    broken,
  };
}

/** Rows whose test has ended, or whose trigger was found: it is known after the first stage. */
function decidedRows(
  { loaded, selections }: ScoreStages,
  { evidence, progress }: { evidence: Evidence; progress: Progress },
): ScoredRow[] {
  const { artefact, threshold, triggerCheck } = loaded;
  const scored = Array.from(progress.scores.keys()).filter((row) => Number.isFinite(progress.scores[row]));
  return scored
    .map((row): ScoredRow => {
      const logits = evidence.rows[row].logits.subarray(0, artefact.model.classes);
      return {
        row,
        score: progress.scores[row],
        threshold: rowThreshold(threshold, argmax(logits)),
        // The first stage runs the input itself and taps its activations, of every row.
        trigger:
          triggerCheck && triggerScore(triggerCheck, { logits, changes: evidence.rows[row].activations }),
        forwards: evidence.rows[row].forwards,
        inputDigest: selections[row].inputDigest,
      };
    })
    .filter(({ row, trigger }) => !progress.open.includes(row) || exceedsTrigger(trigger));
}

/** Runs the test over all rows; false where the implementation changed on the way. */
async function runStages(
  call: ScoreStages,
  services: Services,
  { evidence, progress, only }: { evidence: Evidence; progress: Progress; only: Scorer | undefined },
): Promise<boolean> {
  const { loaded, deadlineAt } = call;
  const { test } = loaded.sequential;
  const of = { ...evidencePlan(loaded.artefact), known: test.known };
  progress.scores = new Float64Array(evidence.rows.length).fill(Number.NaN);
  progress.open = Array.from(evidence.rows.keys());
  progress.scorer = only;
  for (const [stage, { seen, length, doubt }] of test.stages.entries()) {
    const { open, scores, scorer } = progress;
    await extractStage(call, services, { evidence, stage, open });
    const vectors = new Float64Array(open.length * length);
    for (const [index, row] of open.entries()) {
      vectors.set(stageVector(of, evidence.rows[row], seen), index * length);
    }
    assert(vectors.every(Number.isFinite), 'finite logits and activations give a finite vector');
    const answer = await services.detector.score({
      loaded,
      stage,
      vectors,
      rows: open.length,
      timeoutMs: Math.max(1, Math.min(detectorTimeoutMsMax, deadlineAt - Date.now())),
      // Once the detector Worker has failed it is not asked again for the stages that follow.
      ...(scorer === 'typescript' ? { only: scorer } : only !== undefined && { only }),
      // A detector Worker that does not answer must not be waited for at every stage; readiness asks it for all of them.
      check: call.check && stage === 0,
    });
    if (stage > 0 && answer.scorer !== scorer) return false;
    progress.scorer = answer.scorer;
    for (const [index, row] of open.entries()) scores[row] = answer.values[index];
    progress.open = open.filter((row) => isInDoubt({ doubt }, scores[row]));
    if (answer.disagreement !== undefined) throw answer.disagreement;
    if (progress.open.length === 0) break;
  }
  return true;
}

/** Extracts what a stage adds, of those rows of which it is not there yet. */
async function extractStage(
  { loaded, input, selections, deadlineAt, trace }: ScoreStages,
  { noiseKey, extractor }: Services,
  { evidence, stage, open }: { evidence: Evidence; stage: number; open: readonly number[] },
): Promise<void> {
  const missing = open.filter((row) => evidence.rows[row].stages === stage);
  if (missing.length === 0) return;
  const { artefact, sequential } = loaded;
  const { plan, model } = artefact;
  const { runs } = sequential.test.stages[stage];
  const planDigest = sequential.planDigests[stage];
  const part = stagePlan(plan, runs);
  const columns = changeColumns(part);
  const size = input.values.length / input.rows;
  const inputs = new Float32Array(missing.length * size);
  for (const [index, row] of missing.entries()) inputs.set(rowOf(input, row), index * size);
  const startedAt = performance.now();
  const { logits, changes, compiledDigest } = await extractor.extract({
    expected: {
      name: model.name,
      stage,
      version: partVersion(planDigest),
      modelDigest: model.digest,
      noiseKeyId: noiseKey.id,
      planDigest,
    },
    inputs,
    shape: [missing.length, ...input.shape.slice(1)],
    selections: missing.map((row) => partSelection(selections[row], runs, planNoiseCopies(plan))),
    runs: runs.length,
    classes: model.classes,
    changeColumns: columns,
    deadlineAt,
    trace,
  });
  evidence.extractMs += performance.now() - startedAt;
  evidence.digests[stage] ??= compiledDigest;
  if (evidence.digests[stage] !== compiledDigest) {
    throw new GuardError('bad_extractor_reply', 'the gpu-worker changed its graph within a request');
  }
  for (const [index, row] of missing.entries()) {
    const known = evidence.rows[row];
    for (const [place, run] of runs.entries()) {
      const first = (index * runs.length + place) * model.classes;
      known.logits.set(logits.subarray(first, first + model.classes), run * model.classes);
    }
    if (changes !== undefined && columns.length > 0) {
      known.activations = changes.subarray(index * columns.length, (index + 1) * columns.length);
    }
    known.stages = stage + 1;
    known.forwards += runs.length;
  }
}

/** The noise of those copies that a stage runs. */
function partSelection(
  { rows, signs, inputDigest }: RowSelection,
  runs: readonly number[],
  noised: number,
): RowSelection {
  const copies = runs.filter((run) => run >= 1 && run <= noised);
  return {
    rows: copies.map((run) => rows[run - 1]),
    signs: copies.map((run) => signs[run - 1]),
    inputDigest,
  };
}
