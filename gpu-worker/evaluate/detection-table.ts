// Designs side by side on the same examples: one extraction serves every design, every seed and the baselines.
import type {
  DetectionTable,
  RateInterval,
  Spread,
  TableCell,
  TableRow,
} from '../../shared/contracts/detection-table.ts';
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { conformalThreshold, requireThresholdSamples } from '../../shared/detector/conformal-threshold.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
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
  type RowVectors,
  rowLogits,
  rowMargins,
  rowNccrL2,
} from '../calibrate/extract-rows.ts';
import { fitDetector, type PoolVectors, scoreVectors } from '../calibrate/fit-detector.ts';
import {
  attackDataset,
  correctRows,
  poolInputs,
  type StageProgress,
  successfulInputs,
} from '../calibrate/training-inputs.ts';
import { trainingRecipes } from '../calibrate/training-recipes.ts';
import { type CleanShift, shiftImages, shiftName } from '../datasets/clean-shifts.ts';
import { checkDataset, type Dataset, requireRows, selectDatasetRows } from '../datasets/dataset.ts';
import { auroc, rateAbove, tprAtFpr } from './auroc.ts';
import { rocPoints, tprInterval } from './roc.ts';

/** What is compared, on what. */
export interface TableInputs {
  /** Compiled with every copy that the designs read. */
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly training: Dataset;
  readonly test: Dataset;
  /** How attacks are run; each time anew where it is not given. */
  readonly run?: RunAttack | undefined;
}

/** A set of adversarial examples of the table: an attack, at a radius where it keeps to one. */
export interface TestAttack {
  readonly attack: AttackName;
  readonly epsilon?: number;
}

/** How the table is made. */
export interface TableOptions {
  readonly designs: readonly VectorDesign[];
  /** Seeds of the detectors; the examples are made once. */
  readonly seeds: readonly number[];
  readonly trainingImages: number;
  readonly thresholdImages: number;
  readonly testImages: number;
  readonly attacks: readonly TestAttack[];
  readonly shifts: readonly CleanShift[];
  /** Radii of the fixed attacks that designs are trained on. */
  readonly budgets: readonly number[];
  readonly targetFpr: number;
}

/** A scorer of extracted rows, higher for what is taken for adversarial. */
type Scorer = (rows: ExtractedRows) => Float64Array;

/**
 * Compares designs and baselines on the same examples.
 * @returns AUROC and rates over the seeds; baselines have no seed and no spread
 * @throws GuardError `invalid_dataset` where a set does not fit or an attack never succeeds
 * @see NCCR, section 5.1, tables 3 and 4
 */
export async function detectionTable(
  { extractor, target, training, test, run }: TableInputs,
  options: TableOptions,
  onStage: StageProgress,
): Promise<DetectionTable> {
  const fits = { inputShape: target.inputShape, classes: target.classes };
  checkDataset(training, fits);
  checkDataset(test, fits);
  requireRows(training, options.trainingImages + options.thresholdImages);
  requireRows(test, options.testImages);
  requireThresholdSamples(options.thresholdImages, options.targetFpr);
  const extracted = (inputs: Float32Array, stage: string) =>
    extractRows(extractor, inputs, (share) => onStage(`extract ${stage}`, share));
  const [trainingSet, thresholdSet] = draw(training, [options.trainingImages, options.thresholdImages], 1);
  const [testSet] = draw(test, [options.testImages], 2);
  const scorers = await trainScorers({ extractor, target, dataset: trainingSet, run }, options, onStage);
  const threshold = await extracted(thresholdSet.inputs, 'threshold set');
  const clean = await extracted(testSet.inputs, 'clean');
  const predicted = predictedLabels(clean);
  const right = Array.from(testSet.labels.keys()).filter((row) => predicted[row] === testSet.labels[row]);
  const attackedSet = selectDatasetRows(testSet, right);

  const rows: TableRow[] = [];
  for (const { attack, epsilon = 0 } of options.attacks) {
    const name = epsilon === 0 ? attack : `${attack} @${epsilon.toFixed(4)}`;
    const on = { target, dataset: attackedSet, epsilon, seed: 3, run };
    const examples = await attackDataset(attack, on, (share) => onStage(`attack ${name}`, share));
    // A control that never succeeds has no scores to compare.
    if (!examples.success.includes(1)) continue;
    const found = await extracted(successfulInputs(examples), name);
    const cells = compareScores(scorers, { found, clean, right });
    rows.push({ attack: name, attacked: right.length, successes: found.count, cells });
  }
  const falsePositives: Record<string, Record<string, Spread>> = {};
  const judgeClean = (name: string, seen: ExtractedRows) => {
    falsePositives[name] = overScorers(scorers, (score) => {
      const limit = conformalThreshold(score(threshold), options.targetFpr).threshold;
      return rateAbove(score(seen), limit);
    });
  };
  judgeClean('clean', clean);
  for (const [index, shift] of options.shifts.entries()) {
    const inputs = await shiftImages(attackedSet, shift, 100 + index);
    judgeClean(
      shiftName(shift),
      await extracted((await correctRows(target, { ...attackedSet, inputs })).inputs, shiftName(shift)),
    );
  }
  return {
    model: extractor.compiled.model.name,
    dataset: test.name,
    images: {
      training: options.trainingImages,
      threshold: options.thresholdImages,
      test: options.testImages,
    },
    seeds: [...options.seeds],
    target_fpr: options.targetFpr,
    rows,
    false_positives: falsePositives,
  };
}

/** Draws disjoint subsets of a set. */
function draw(dataset: Dataset, counts: readonly number[], seed: number): Dataset[] {
  const order = permutation(dataset.labels.length, seededRandom(seed));
  let first = 0;
  return counts.map((count) => {
    const rows = order.subarray(first, first + count);
    first += count;
    return selectDatasetRows(dataset, rows);
  });
}

/** Trains every design once a seed, and adds the baselines that the logits alone give. */
async function trainScorers(
  {
    extractor,
    target,
    dataset,
    run,
  }: { extractor: Extractor; target: AttackTarget; dataset: Dataset; run: RunAttack | undefined },
  { designs, seeds, budgets }: TableOptions,
  onStage: StageProgress,
): Promise<Map<string, Scorer[]>> {
  const correct = await correctRows(target, dataset);
  const made = new Map<string, Float32Array>();
  const extractedOnce = new Map<Float32Array, ExtractedRows>();
  const noise = extractor.compiled.plan.noise[0]?.epsilon ?? budgets[0];
  const scorers = new Map<string, Scorer[]>([
    ['margin', [(rows) => rowMargins(rows).map((margin) => -margin)]],
    ['max softmax', [(rows) => rowMaxSoftmax(rows).map((probability) => -probability)]],
    ['l2', [rowNccrL2]],
  ]);
  for (const design of designs) {
    const recipe = trainingRecipes[design];
    const inputs = await poolInputs(
      recipe.pools,
      { target, dataset: correct, budgets, noise, seed: 10, made, run },
      onStage,
    );
    const pools: PoolVectors[] = [];
    for (const { adversarial, mass, parts } of inputs) {
      const vectors: RowVectors[] = [];
      for (const part of parts) {
        const rows =
          extractedOnce.get(part) ??
          (await extractRows(extractor, part, (share) => onStage('extract training', share)));
        extractedOnce.set(part, rows);
        vectors.push(designVectors(rows, design));
      }
      pools.push({ adversarial, mass, parts: vectors });
    }
    scorers.set(
      design,
      seeds.map((seed, index) => {
        onStage(`train ${design}`, (index + 1) / seeds.length);
        const mlp = fitDetector(pools, recipe, seed);
        return (rows: ExtractedRows) => scoreVectors(mlp, designVectors(rows, design));
      }),
    );
  }
  return scorers;
}

function compareScores(
  scorers: ReadonlyMap<string, Scorer[]>,
  { found, clean, right }: { found: ExtractedRows; clean: ExtractedRows; right: readonly number[] },
): Record<string, TableCell> {
  const cells: Record<string, TableCell> = {};
  for (const [name, seeds] of scorers) {
    const scored = seeds.map((score) => {
      const all = score(clean);
      return { positives: score(found), negatives: Float64Array.from(right, (row) => all[row]) };
    });
    const rates = (fpr: number) => scored.map((both) => tprAtFpr(both.positives, both.negatives, fpr));
    const intervals = (fpr: number) => meanInterval(scored.map((both) => tprInterval(both, fpr)));
    cells[name] = {
      auroc: spread(scored.map(({ positives, negatives }) => auroc(positives, negatives))),
      tpr_at_fpr_5: spread(rates(0.05)),
      tpr_at_fpr_5_ci95: intervals(0.05),
      tpr_at_fpr_1: spread(rates(0.01)),
      tpr_at_fpr_1_ci95: intervals(0.01),
      roc: rocPoints(scored[0]),
    };
  }
  return cells;
}

function overScorers(
  scorers: ReadonlyMap<string, Scorer[]>,
  figure: (score: Scorer) => number,
): Record<string, Spread> {
  return Object.fromEntries(Array.from(scorers, ([name, seeds]) => [name, spread(seeds.map(figure))]));
}

/** The seeds share their examples, so the ends do not come closer with more of them. */
function meanInterval(intervals: readonly RateInterval[]): RateInterval {
  const end = (index: 0 | 1) => spread(intervals.map((interval) => interval[index])).mean;
  return [end(0), end(1)];
}

/** Mean and sample standard deviation; 0 for a single value. */
function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) };
}

/** Highest softmax probability of the inputs themselves, [count]. */
function rowMaxSoftmax(rows: ExtractedRows): Float64Array {
  const { classes } = rows.compiled.model;
  return Float64Array.from({ length: rows.count }, (_, row) => {
    const logits = rowLogits(rows, row).subarray(0, classes);
    const highest = logits[argmax(logits)];
    return 1 / logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  });
}
