// Designs and baselines side by side on the same examples: one extraction serves every design and every seed.
import type { DetectionTable, Spread, TableRow } from '../../shared/contracts/detection-table.ts';
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import { conformalThreshold, requireThresholdSamples } from '../../shared/detector/conformal-threshold.ts';
import { GuardError } from '../../shared/errors.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import {
  type ExtractedRows,
  type Extractor,
  extractRows,
  predictedLabels,
} from '../calibrate/extract-rows.ts';
import {
  attackDataset,
  correctRows,
  type StageProgress,
  successfulInputs,
  wrongForeign,
} from '../calibrate/training-inputs.ts';
import { trainingRecipes } from '../calibrate/training-recipes.ts';
import { type CleanShift, shiftImages, shiftName } from '../datasets/clean-shifts.ts';
import {
  checkDataset,
  type Dataset,
  datasetDigest,
  requireRows,
  selectDatasetRows,
} from '../datasets/dataset.ts';
import type { ForeignExamples } from '../datasets/foreign-examples.ts';
import type { Engine } from '../engine/engine.ts';
import { compareScores, flaggedShares } from './compare-scores.ts';
import { measureCosts } from './measure-costs.ts';
import { type ScoringMethod, type SeenInputs, type SetScores, scoreSet } from './scoring-method.ts';
import { type BaselineName, openBaselines } from './table-baselines.ts';
import { designMethod, designPlan, designTrainer, poolExtractor, type TrainDesign } from './table-designs.ts';
import { openSequentialTests, type SequentialDesign } from './table-sequential.ts';
import { type MatrixOptions, transferMatrix } from './transfer-matrix.ts';

/** What is compared, on what. */
export interface TableInputs {
  /** Compiled with every copy that the designs read. */
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly engine: Engine;
  /** The protected model's file. */
  readonly model: Uint8Array;
  /** Compiles and loads the model under another plan. */
  readonly compile: (plan: ExtractionPlan) => Promise<Extractor>;
  readonly training: Dataset;
  readonly test: Dataset;
  /** Adversarial examples made elsewhere: a row of the table each. */
  readonly foreign?: readonly ForeignExamples[];
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
  /** Designs whose sequential test is a column too; the plan must tap the penultimate activation. */
  readonly sequential?: readonly SequentialDesign[];
  /** Mean copies that such a test may cost a clean input; that of calibration where it is not given. */
  readonly copiesMean?: number | undefined;
  readonly baselines: readonly BaselineName[];
  /** Tensors that the dissector reads; the activations where none is named. */
  readonly layers?: readonly string[] | undefined;
  /** Seeds of the detectors; the examples are made once. */
  readonly seeds: readonly number[];
  readonly trainingImages: number;
  readonly thresholdImages: number;
  /** Draws them from the test set, beside the images tested: for a model that was trained on the training set. */
  readonly thresholdFromTest?: boolean;
  readonly testImages: number;
  readonly attacks: readonly TestAttack[];
  readonly shifts: readonly CleanShift[];
  /** Radii of the fixed attacks that designs are trained on. */
  readonly budgets: readonly number[];
  readonly targetFpr: number;
  /** Clean inputs on which the time of every method is measured; none is where it is 0. */
  readonly timedInputs: number;
  readonly matrix?: MatrixOptions | undefined;
}

/**
 * Compares designs and baselines on the same examples.
 * @returns AUROC and rates over the seeds; baselines have no seed and no spread
 * @throws GuardError `invalid_dataset` where a set does not fit, both are one, or an attack never succeeds; `invalid_model`
 *   where a baseline cannot be made for the model
 * @see NCCR, section 5.1, tables 3 and 4
 */
export async function detectionTable(
  inputs: TableInputs,
  options: TableOptions,
  onStage: StageProgress,
): Promise<DetectionTable> {
  const { extractor, target, training, test, run } = inputs;
  const fits = { inputShape: target.inputShape, classes: target.classes };
  checkDataset(training, fits);
  checkDataset(test, fits);
  requireOther(test, training);
  const { trainingImages, thresholdImages, testImages, thresholdFromTest = false } = options;
  requireRows(training, trainingImages + (thresholdFromTest ? 0 : thresholdImages));
  requireRows(test, testImages + (thresholdFromTest ? thresholdImages : 0));
  requireThresholdSamples(thresholdImages, options.targetFpr);
  const [trainingSet, ofTraining] = draw(training, [trainingImages, thresholdImages], 1);
  const [testSet, ofTest] = draw(test, [testImages, thresholdImages], 2);
  const thresholdSet = thresholdFromTest ? ofTest : ofTraining;
  const correct = await correctRows(target, trainingSet);
  const noise = extractor.compiled.plan.noise.at(-1)?.epsilon ?? options.budgets[0];
  const context = {
    target,
    dataset: correct,
    budgets: options.budgets,
    noise,
    seed: 10,
    made: new Map(),
    run,
  };
  const extractPools = poolExtractor({ extractor, context }, onStage);
  const train = designTrainer(extractPools, options.seeds, onStage);
  const setting = { ...inputs, training: correct, plan: extractor.compiled.plan, layers: options.layers };
  // Before the designs, whose attacks take hours: a baseline that the model cannot have is refused in minutes.
  const baselines = await openBaselines(options.baselines, setting, (name, share) =>
    onStage(`make ${name}`, share),
  );
  try {
    const designs = await trainDesigns(inputs, options.designs, train);
    const sequential = await openSequentialTests(
      options.sequential ?? [],
      { ...inputs, ...options, extractPools, images: correct.labels.length, trainingSet, thresholdSet },
      onStage,
    );
    const methods = [...baselines.methods, ...designs, ...sequential];
    const examined = await examineSets({ ...inputs, thresholdSet, testSet, methods }, options, onStage);
    const { rows, false_positives, clean, right, found } = examined;
    const { timedInputs, matrix } = options;
    const timed = {
      methods,
      target,
      inputs: selectDatasetRows(testSet, right.slice(0, timedInputs)),
    };
    const { device } = inputs.engine.info;
    const named = { model: extractor.compiled.model.name, dataset: test.name };
    return {
      ...named,
      images: {
        training: options.trainingImages,
        threshold: options.thresholdImages,
        test: options.testImages,
      },
      seeds: [...options.seeds],
      target_fpr: options.targetFpr,
      settings: Object.fromEntries(
        methods.flatMap(({ name, setting: set }) => (set === undefined ? [] : [[name, set]])),
      ),
      rows,
      false_positives,
      ...(timedInputs > 0 && {
        costs: await measureCosts({ ...timed, device }, (share) => onStage('measure time', share)),
      }),
      ...(matrix !== undefined && {
        matrix: await transferMatrix(matrix, { ...named, clean, right, found }, train),
      }),
    };
  } finally {
    await baselines.close();
  }
}

/** Trains the designs by their own recipes. */
async function trainDesigns(
  { extractor, compile }: TableInputs,
  designs: readonly VectorDesign[],
  train: TrainDesign,
): Promise<ScoringMethod[]> {
  const methods: ScoringMethod[] = [];
  for (const design of designs) {
    const detectors = await train(design, trainingRecipes[design]);
    const alone = await compile(designPlan(extractor.compiled.plan, design));
    methods.push(designMethod(design, { detectors, alone }));
  }
  return methods;
}

/** What was seen of the sets, for whatever is made of them further. */
interface Examined extends Pick<DetectionTable, 'rows' | 'false_positives'> {
  readonly clean: ExtractedRows;
  readonly right: readonly number[];
  /** Examples of the smallest success, by the name of their row. */
  readonly found: ReadonlyMap<string, ExtractedRows>;
}

/** Attacks and changes the test images, and scores all of them in every way. */
async function examineSets(
  {
    extractor,
    target,
    run,
    thresholdSet,
    testSet,
    methods,
    foreign = [],
  }: TableInputs & { thresholdSet: Dataset; testSet: Dataset; methods: readonly ScoringMethod[] },
  { attacks, shifts, targetFpr }: TableOptions,
  onStage: StageProgress,
): Promise<Examined> {
  const see = async (inputs: Float32Array, stage: string): Promise<SeenInputs> => ({
    inputs,
    rows: await extractRows(extractor, inputs, (share) => onStage(`extract ${stage}`, share)),
  });
  const score = (seen: SeenInputs, stage: string): Promise<SetScores> =>
    scoreSet(methods, seen, (_, share) => onStage(`score ${stage}`, share));
  const limits = new Map(
    Array.from(
      await score(await see(thresholdSet.inputs, 'threshold set'), 'threshold set'),
      ([name, seeds]) => [name, seeds.map((scores) => conformalThreshold(scores, targetFpr).threshold)],
    ),
  );
  const clean = await see(testSet.inputs, 'clean');
  const cleanScores = await score(clean, 'clean');
  const predicted = predictedLabels(clean.rows);
  const right = Array.from(testSet.labels.keys()).filter((row) => predicted[row] === testSet.labels[row]);
  const attackedSet = selectDatasetRows(testSet, right);

  const compare = async (found: SeenInputs, name: string): Promise<TableRow['cells']> => {
    const cells = compareScores(await score(found, name), { scores: cleanScores, right });
    for (const method of methods) {
      const forwards = method.meanForwards?.(found);
      if (forwards !== undefined) cells[method.name].forwards = forwards;
    }
    return cells;
  };
  const rows: TableRow[] = [];
  const smallest = new Map<string, ExtractedRows>();
  for (const { attack, epsilon = 0 } of attacks) {
    const name = epsilon === 0 ? attack : `${attack} @${epsilon.toFixed(4)}`;
    const on = { target, dataset: attackedSet, epsilon, seed: 3, run };
    const examples = await attackDataset(attack, on, (share) => onStage(`attack ${name}`, share));
    // A control that never succeeds has no scores to compare.
    if (!examples.success.includes(1)) continue;
    const found = await see(successfulInputs(examples), name);
    if (epsilon === 0) smallest.set(name, found.rows);
    const cells = await compare(found, name);
    rows.push({ attack: name, attacked: right.length, successes: found.rows.count, cells });
  }
  for (const examples of foreign) {
    const { name } = examples;
    const found = await see(await wrongForeign(target, examples), name);
    const cells = await compare(found, name);
    rows.push({ attack: name, attacked: examples.rows.length, successes: found.rows.count, cells });
  }
  const falsePositives: Record<string, Record<string, Spread>> = {
    clean: flaggedShares(cleanScores, limits),
  };
  for (const [index, shift] of shifts.entries()) {
    const name = shiftName(shift);
    const inputs = await shiftImages(attackedSet, shift, 100 + index);
    const kept = (await correctRows(target, { ...attackedSet, inputs })).inputs;
    falsePositives[name] = flaggedShares(await score(await see(kept, name), name), limits);
  }
  return { rows, false_positives: falsePositives, clean: clean.rows, right, found: smallest };
}

/** Both sets are drawn by seeds of their own, so images of one set would stand on both sides. */
function requireOther(test: Dataset, training: Dataset): void {
  if (test.name !== training.name && datasetDigest(test) !== datasetDigest(training)) return;
  const detail = `${test.name} is the set that the designs are trained on: test on another`;
  throw new GuardError('invalid_dataset', detail);
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
