// How well a detector artefact tells adversarial from clean inputs that it has never seen, beside the logit margin.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { conformalRank } from '../../shared/detector/conformal-threshold.ts';
import { mlpOfArtefact } from '../../shared/detector/mlp.ts';
import { rowThreshold } from '../../shared/detector/row-threshold.ts';
import { GuardError } from '../../shared/errors.ts';
import { auroc, rateAbove, tprAtFpr } from '../../shared/maths/auroc.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import {
  designVectors,
  type ExtractedRows,
  type Extractor,
  extractRows,
  predictedLabels,
  rowMargins,
  rowNccrL2,
} from '../calibrate/extract-rows.ts';
import { observedRateInterval } from '../calibrate/false-positive-interval.ts';
import { scoreVectors } from '../calibrate/fit-detector.ts';
import {
  attackDataset,
  correctRows,
  type StageProgress,
  successfulInputs,
  wrongForeign,
} from '../calibrate/training-inputs.ts';
import {
  checkDataset,
  type Dataset,
  datasetDigest,
  requireRows,
  selectDatasetRows,
} from '../datasets/dataset.ts';
import type { ForeignExamples } from '../datasets/foreign-examples.ts';
import { evaluateSequential, type SequentialReport } from './evaluate-sequential.ts';
import { evaluateTriggerCheck, type TriggerCheckReport } from './evaluate-trigger-check.ts';

/** What is evaluated, on what. */
export interface EvaluationInputs {
  readonly artefact: DetectorArtefact;
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly dataset: Dataset;
  /** Examples that other tools made, each file a row of the report. */
  readonly foreign?: readonly ForeignExamples[];
  /** How attacks are run; each time anew where it is not given. */
  readonly run?: RunAttack | undefined;
}

/** What the operator chooses. */
export interface EvaluationOptions {
  /** Images drawn from the data set. */
  readonly images: number;
  readonly seed: number;
  readonly attacks: readonly AttackName[];
  /** Radius of the fixed attacks, in units of the input. */
  readonly epsilon: number;
}

/** One attack's row of the report; every rate is over successful examples only, and null where a control has none. */
export interface AttackReport {
  /** Name of the attack, or of the file of examples. */
  readonly attack: string;
  readonly attacked: number;
  readonly successes: number;
  /** Median of the largest change of an element over the successes, in units of the input; null for foreign examples too. */
  readonly median_epsilon: number | null;
  readonly auroc: number | null;
  /** AUROC of the logit margin of the unperturbed example: one forward pass, no noise. */
  readonly auroc_margin: number | null;
  /** AUROC of the l2 norm of the logits' change, the paper's scalar: the negative control. */
  readonly auroc_l2: number | null;
  readonly tpr_at_fpr_5: number | null;
  readonly tpr_at_fpr_1: number | null;
  /** Share of the examples above the artefact's own threshold. */
  readonly tpr_at_threshold: number | null;
}

/** The whole report. */
export interface EvaluationReport {
  readonly detector: { readonly name: string; readonly version: string; readonly model: string };
  readonly dataset: { readonly name: string; readonly images: number; readonly digest: string };
  readonly target_fpr: number;
  /** Share of all clean images, right or wrong, above the threshold. */
  readonly fpr: number;
  /** Classes that are judged by a threshold of their own: the intervals below are those of the threshold of the others. */
  readonly own_thresholds: number;
  /** 95 % interval of that share for a detector that keeps its promise, with this many calibration and test images. */
  readonly fpr_interval: [number, number];
  /** 95 % interval of the share from this test's draw alone, were the detector's rate exactly the target. */
  readonly fpr_interval_binomial: [number, number];
  /** False positives by the class that the model gives a clean image, rising; classes that none was given are absent. */
  readonly classes: readonly ClassReport[];
  readonly attacks: readonly AttackReport[];
  /** Where the artefact has a sequential test; everything else is of its full test. */
  readonly sequential?: SequentialReport;
  /** Where the artefact has a trigger check; everything else is of the detector alone. */
  readonly trigger_check?: TriggerCheckReport;
}

/** The clean images that the model gives one class. */
export interface ClassReport {
  readonly class: number;
  readonly images: number;
  readonly fpr: number;
  /** The threshold that they are judged by. */
  readonly threshold: number;
}

/**
 * Evaluates a detector on inputs that took no part in its calibration.
 *
 * AUROC compares successful examples with the clean inputs that the model gets right (they are what was attacked); the
 * false positive rate is over all clean inputs.
 * @throws GuardError `invalid_dataset` where the data set does not fit, an attack never succeeds or the calibration's own
 *   images are offered
 * @see NCCR, section 5.1
 */
export async function evaluateDetector(
  { artefact, extractor, target, dataset, foreign = [], run }: EvaluationInputs,
  { images, seed, attacks, epsilon }: EvaluationOptions,
  onStage: StageProgress,
): Promise<EvaluationReport> {
  checkDataset(dataset, { inputShape: target.inputShape, classes: target.classes });
  requireRows(dataset, images);
  if (dataset.name === artefact.calibration.dataset) {
    const detail = `${dataset.name} is the set that the detector was calibrated on: evaluate on another`;
    throw new GuardError('invalid_dataset', detail);
  }
  const tested = selectDatasetRows(
    dataset,
    permutation(dataset.labels.length, seededRandom(seed)).subarray(0, images),
  );
  const mlp = mlpOfArtefact(artefact);
  const measure = async (inputs: Float32Array, stage: string): Promise<Measured> => {
    const rows = await extractRows(extractor, inputs, (share) => onStage(stage, share));
    const scores = scoreVectors(mlp, designVectors(rows, artefact.vector.design));
    return { rows, scores: overThreshold(scores, predictedLabels(rows), artefact) };
  };
  const all = await measure(tested.inputs, 'extract clean');
  const predicted = predictedLabels(all.rows);
  const right = Array.from(tested.labels.keys()).filter((row) => predicted[row] === tested.labels[row]);
  const clean = pick(all, right);
  const correct = await correctRows(target, tested);
  const sequential = evaluateSequential(artefact, all.rows, right);
  const reports: AttackReport[] = [];
  const add = (measured: Parameters<typeof attackReport>[0], rows: ExtractedRows, attacked: number) => {
    const report = attackReport(measured, attacked);
    reports.push(report);
    sequential?.addAttack(report.attack, rows, report.auroc);
  };
  for (const attack of attacks) {
    const on = { target, dataset: correct, epsilon, seed, run };
    const examples = await attackDataset(attack, on, (share) => onStage(`attack ${attack}`, share));
    const found = await measure(successfulInputs(examples), `extract ${attack}`);
    const measured = { attack, clean, found: pick(found), epsilon: medianSuccess(examples) };
    add(measured, found.rows, correct.labels.length);
  }
  for (const examples of foreign) {
    const found = await measure(await wrongForeign(target, examples), `extract ${examples.name}`);
    const measured = { attack: examples.name, clean, found: pick(found), epsilon: null };
    add(measured, found.rows, examples.rows.length);
  }
  const calibration = calibrationOf(artefact);
  const triggerCheck = evaluateTriggerCheck(artefact, all.rows);
  return {
    detector: { name: artefact.name, version: artefact.version, model: artefact.model.name },
    dataset: { name: dataset.name, images, digest: datasetDigest(tested) },
    target_fpr: artefact.threshold.target_fpr,
    fpr: rateAbove(all.scores, 0),
    own_thresholds: artefact.threshold.per_class?.length ?? 0,
    fpr_interval: observedRateInterval(calibration, images),
    fpr_interval_binomial: binomialInterval(artefact.threshold.target_fpr, images),
    classes: classReports(all.scores, predicted, artefact),
    attacks: reports,
    ...(sequential && { sequential: sequential.report() }),
    ...(triggerCheck && { trigger_check: triggerCheck }),
  };
}

/**
 * Scores less the threshold that each row is judged by: with thresholds by class this, and no longer the score alone, is
 * what the guard ranks inputs by; with one threshold for all it ranks as the score does.
 */
function overThreshold(
  scores: Float64Array,
  predicted: Int32Array,
  { threshold }: DetectorArtefact,
): Float64Array {
  return scores.map((score, row) => score - rowThreshold(threshold, predicted[row]));
}

function classReports(
  overThresholds: Float64Array,
  predicted: Int32Array,
  { threshold }: DetectorArtefact,
): ClassReport[] {
  const classes = [...new Set(predicted)].sort((left, right) => left - right);
  return classes.map((class_) => {
    const own = overThresholds.filter((_, row) => predicted[row] === class_);
    const judgedBy = rowThreshold(threshold, class_);
    return { class: class_, images: own.length, fpr: rateAbove(own, 0), threshold: judgedBy };
  });
}

/** The three scores that are compared, each higher for what is taken for adversarial. */
interface Scores {
  readonly detector: Float64Array;
  readonly margin: Float64Array;
  readonly l2: Float64Array;
}

interface Measured {
  readonly rows: ExtractedRows;
  /** Over the threshold where above 0. */
  readonly scores: Float64Array;
}

function pick({ rows, scores }: Measured, kept?: readonly number[]): Scores {
  const order = kept ?? Array.from({ length: rows.count }, (_, row) => row);
  const [margins, l2] = [rowMargins(rows), rowNccrL2(rows)];
  const take = (values: Float64Array, sign: 1 | -1) => Float64Array.from(order, (row) => sign * values[row]);
  return { detector: take(scores, 1), margin: take(margins, -1), l2: take(l2, 1) };
}

function attackReport(
  measured: {
    attack: string;
    clean: Scores;
    found: Scores;
    epsilon: number | null;
  },
  attacked: number,
): AttackReport {
  const { attack, clean, found, epsilon } = measured;
  const successes = found.detector.length;
  const ofSome = (figure: () => number) => (successes === 0 ? null : figure());
  return {
    attack,
    attacked,
    successes,
    median_epsilon: epsilon,
    auroc: ofSome(() => auroc(found.detector, clean.detector)),
    auroc_margin: ofSome(() => auroc(found.margin, clean.margin)),
    auroc_l2: ofSome(() => auroc(found.l2, clean.l2)),
    tpr_at_fpr_5: ofSome(() => tprAtFpr(found.detector, clean.detector, 0.05)),
    tpr_at_fpr_1: ofSome(() => tprAtFpr(found.detector, clean.detector, 0.01)),
    tpr_at_threshold: ofSome(() => rateAbove(found.detector, 0)),
  };
}

function medianSuccess({ epsilon, success }: { epsilon: Float32Array; success: Uint8Array }): number | null {
  const found = epsilon.filter((_, row) => success[row] === 1).sort();
  return found.length === 0 ? null : found[found.length >> 1];
}

function calibrationOf({ threshold }: DetectorArtefact): { samples: number; rank: number } {
  const samples = threshold.calibration_samples;
  return { samples, rank: conformalRank(samples, threshold.target_fpr) };
}

/** Central 95 % interval of the share that a binomial with rate `rate` shows in `tests` draws. */
function binomialInterval(rate: number, tests: number): [number, number] {
  // A calibration of ten million samples whose threshold sits exactly at the rate leaves the test's own draw.
  const samples = 10_000_000;
  return observedRateInterval({ samples, rank: Math.round(samples * (1 - rate)) }, tests);
}
