// From a model and clean inputs to a detector artefact: attack, extract, train, set the threshold.
import {
  type DetectorArtefact,
  designReads,
  type VectorDesign,
} from '../../shared/contracts/detector-artefact.ts';
import { planCopies } from '../../shared/contracts/extraction.ts';
import { conformalSamplesNeeded } from '../../shared/detector/conformal-threshold.ts';
import { type Mlp, mlpParameters, packHead, packLayer } from '../../shared/detector/mlp.ts';
import { GuardError } from '../../shared/errors.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import {
  checkDataset,
  type Dataset,
  datasetDigest,
  requireRows,
  selectDatasetRows,
} from '../datasets/dataset.ts';
import type { ForeignExamples } from '../datasets/foreign-examples.ts';
import { mlpToOnnx } from '../onnx/mlp-graph.ts';
import { checkShifts } from './check-shifts.ts';
import type { LabelledScores } from './class-thresholds.ts';
import { conformalPromise } from './conformal-promise.ts';
import {
  designVectors,
  type Extractor,
  extractRows,
  predictedLabels,
  type RowVectors,
} from './extract-rows.ts';
import {
  type ExtractedPool,
  extractedPools,
  poolVectors,
  splitForActivations,
  wrongRows,
} from './extracted-pools.ts';
import { fitDetector, type PoolVectors, scoreVectors } from './fit-detector.ts';
import { fitSequentialTest } from './fit-sequential-test.ts';
import { fitTriggerCheck } from './fit-trigger-check.ts';
import { poolCount } from './pool-samples.ts';
import { correctRows, type StageProgress } from './training-inputs.ts';
import { recipeAttacks, trainingRecipes } from './training-recipes.ts';

/** What a calibration is made from. */
export interface CalibrationInputs {
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly dataset: Dataset;
  /** Examples that other tools made: where there are any, they take the place of the recipe's own attacks. */
  readonly foreign?: readonly ForeignExamples[];
  /** How attacks are run; each time anew where it is not given. */
  readonly run?: RunAttack | undefined;
}

/** What the operator chooses. */
export interface CalibrationOptions {
  readonly design: VectorDesign;
  /** False positive rate that clean inputs may have, in (0, 1). */
  readonly targetFpr: number;
  /** Whether classes with enough clean inputs get thresholds of their own. */
  readonly perClass?: boolean;
  /** Also fits a sequential test, with the mean copies that a clean input may cost where they are given. */
  readonly sequential?: { readonly copiesMean?: number | undefined } | undefined;
  /** Also fits a trigger check, at the same target rate. */
  readonly triggerCheck?: boolean | undefined;
  /** Inputs used: half to train, half to set the threshold, disjoint. */
  readonly images: number;
  /** Radii of the fixed attacks, rising, in units of the input. */
  readonly budgets: readonly number[];
  /** Whether a design on neurons may flag shifted clean images more often than it should. */
  readonly acceptShifts?: boolean;
  readonly seed: number;
  readonly version: string;
  readonly createdAt: Date;
}

/** Vectors that an artefact carries so that whoever loads it can check its own arithmetic, and the numbers in all of them. */
const selfCheckVectors = 16;
const selfCheckNumbers = 4096;

/**
 * Calibrates a detector for one model.
 *
 * The threshold is set on clean inputs that took no part in training, those that the model gets wrong included: they are
 * clean traffic too. A design on neurons is refused where shifted clean images are flagged more than twice as often as the
 * target says, unless that is accepted: their shares stand in the artefact either way.
 * @returns the artefact, bound to the digest of the model, not signed
 * @throws GuardError `invalid_dataset` where the data set does not fit the model or is too small for the target rate,
 *   or shifts are flagged too often
 * @see NCCR, section 5.1
 */
export async function calibrateDetector(
  { extractor, target, dataset, foreign = [], run }: CalibrationInputs,
  options: CalibrationOptions,
  onStage: StageProgress,
): Promise<DetectorArtefact> {
  const { design, seed, sequential } = options;
  const recipe = trainingRecipes[design];
  if (sequential !== undefined) requireNoNeurons(design);
  checkDataset(dataset, { inputShape: target.inputShape, classes: target.classes });
  const [trainingSet, thresholdSet] = splitDataset(dataset, options);
  const correct = await correctRows(target, trainingSet);
  const sets = sequential === undefined ? [correct] : splitForActivations(correct, target.classes);
  const made: ExtractedPool[][] = [];
  for (const [index, set] of sets.entries()) {
    // Foreign examples belong to no image that is known here: they stand with the first set.
    const examples = { examples: foreign, extracts: index === 0 };
    made.push(
      await extractedPools({ extractor, target, dataset: set, foreign: examples, run }, options, onStage),
    );
  }
  const pools = poolVectors(made, design);
  onStage('train', 0);
  const mlp = fitDetector(pools, recipe, seed);
  onStage('train', 1);
  const threshold = await extractRows(extractor, thresholdSet.inputs, (share) =>
    onStage('extract threshold set', share),
  );
  const vectors = designVectors(threshold, design);
  const scores = scoreVectors(mlp, vectors);
  const test = sequential && {
    sequential: fitSequentialTest(
      {
        compiled: extractor.compiled,
        unseenPools: made[0],
        seenPools: made[1],
        gaussianRows: made[1][0].parts[0],
        wrongRows: await wrongRows({ extractor, target }, trainingSet),
        thresholdRows: threshold,
      },
      { ...options, ...sequential, training: recipe.training ?? {} },
      onStage,
    ),
  };
  // Where there is a sequential test, its plan and this one tap the same activations, and the rows are the same.
  const [cleanRows] = made[made.length - 1][0].parts;
  const check = options.triggerCheck && {
    trigger_check: fitTriggerCheck({ gaussianRows: cleanRows, thresholdRows: threshold }, options),
  };
  const labelled = { mlp, vectors, scores, predicted: predictedLabels(threshold) };
  const artefact = artefactOf(labelled, extractor, options);
  const shifted = { extractor, target, dataset: thresholdSet, mlp, threshold: artefact.threshold };
  const shifts = await checkShifts(shifted, options, onStage);
  return {
    ...artefact,
    ...test,
    ...check,
    calibration: {
      seed,
      dataset: dataset.name,
      ...imagesUsed(
        { trainingSet, thresholdSet },
        { clean: sideCount(pools, false), adversarial: sideCount(pools, true) },
      ),
      attacks: foreign.length > 0 ? foreign.map(({ name }) => `foreign:${name}`) : recipeAttacks(recipe),
      ...(shifts && { shifts }),
    },
  };
}

/** What an artefact says of the two sets that it was made from; `rows` counts the inputs trained on. */
export function imagesUsed(
  { trainingSet, thresholdSet }: { readonly trainingSet: Dataset; readonly thresholdSet: Dataset },
  rows: { readonly clean: number; readonly adversarial: number },
): Pick<DetectorArtefact['calibration'], 'training' | 'threshold'> {
  return {
    training: { images: trainingSet.labels.length, digest: datasetDigest(trainingSet), ...rows },
    threshold: { images: thresholdSet.labels.length, digest: datasetDigest(thresholdSet) },
  };
}

/** The stages of a sequential test read copies as they come, and no neurons under one of them. */
function requireNoNeurons(design: VectorDesign): void {
  const { neurons, levels } = designReads[design];
  if (!neurons && !levels) return;
  const detail = `the stages of a sequential test do not read neurons or layers, ${design} does`;
  throw new GuardError('invalid_config', detail);
}

function sideCount(pools: readonly PoolVectors[], side: boolean): number {
  return pools
    .filter(({ adversarial }) => adversarial === side)
    .reduce((sum, pool) => sum + poolCount(pool), 0);
}

/**
 * Draws the images and splits them by image: a clean input and its adversarial copies never stand on both sides.
 * @returns the images to train on, and those that set the threshold
 * @throws GuardError `invalid_dataset` where there are too few for the target rate
 */
export function splitDataset(
  dataset: Dataset,
  { images, seed, targetFpr }: Pick<CalibrationOptions, 'images' | 'seed' | 'targetFpr'>,
): [Dataset, Dataset] {
  const available = dataset.labels.length;
  requireRows(dataset, images);
  const half = Math.floor(images / 2);
  const needed = conformalSamplesNeeded(targetFpr);
  if (images - half < needed) {
    const detail = `a false positive rate of ${targetFpr} needs ${needed} images for the threshold and as many to train`;
    throw new GuardError('invalid_dataset', `${detail}: at least ${2 * needed}, not ${images}`);
  }
  const order = permutation(available, seededRandom(seed));
  const training = order.subarray(0, half);
  return [selectDatasetRows(dataset, training), selectDatasetRows(dataset, order.subarray(half, images))];
}

/** Everything of the artefact but its history. */
export function artefactOf(
  { mlp, vectors, ...labelled }: LabelledScores & { mlp: Mlp; vectors: RowVectors },
  { compiled }: Pick<Extractor, 'compiled'>,
  {
    design,
    version,
    createdAt,
    targetFpr,
    perClass = false,
  }: Pick<CalibrationOptions, 'design' | 'version' | 'createdAt' | 'targetFpr' | 'perClass'>,
): Omit<DetectorArtefact, 'calibration'> {
  const { name, digest, input_name, input_shape, output_name, classes } = compiled.model;
  const { scores } = labelled;
  const { length } = vectors;
  const checks = Math.min(selfCheckVectors, Math.ceil(selfCheckNumbers / length), vectors.count);
  return {
    format: 'nccr-guard/detector',
    format_version: 1,
    name: `nccr-${design}-n${planCopies(compiled.plan)}`,
    version,
    created_at: createdAt.toISOString(),
    model: { name, digest, input_name, input_shape, output_name, classes },
    plan: compiled.plan,
    vector: { design, length },
    standardise: { mean: [...mlp.mean], deviation: [...mlp.deviation], clip: mlp.clip },
    mlp: {
      ...(mlp.head && { head: packHead(mlp.head) }),
      layers: mlp.layers.map(packLayer),
      parameters: mlpParameters(mlp),
    },
    onnx: Buffer.from(mlpToOnnx(mlp)).toString('base64'),
    threshold: conformalPromise(labelled, { targetFpr, perClass }),
    self_check: {
      vectors: Array.from({ length: checks }, (_, row) => [
        ...vectors.vectors.subarray(row * length, (row + 1) * length),
      ]),
      scores: [...scores.subarray(0, checks)],
    },
  };
}
