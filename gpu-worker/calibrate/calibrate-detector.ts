// From a model and clean inputs to a detector artefact: attack, extract, train, set the threshold.

import type { DetectorArtefact, VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { planCopies } from '../../shared/contracts/extraction.ts';
import { conformalSamplesNeeded, conformalThreshold } from '../../shared/detector/conformal-threshold.ts';
import { type Mlp, mlpScore, packLayer, parameterCount } from '../../shared/detector/mlp.ts';
import { GuardError } from '../../shared/errors.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { checkDataset, type Dataset, datasetDigest, selectDatasetRows } from '../datasets/dataset.ts';
import { mlpToOnnx } from '../onnx/mlp-graph.ts';
import { detectorDesigns } from './detector-designs.ts';
import { falsePositiveInterval } from './false-positive-interval.ts';
import { trainMlp } from './train-mlp.ts';
import { correctRows, type StageProgress, trainingInputs } from './training-set.ts';
import { type ExtractedRows, type Extractor, extractVectors } from './vectors.ts';

/** What a calibration is made from. */
export interface CalibrationInputs {
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly dataset: Dataset;
}

/** What the operator chooses. */
export interface CalibrationOptions {
  readonly design: VectorDesign;
  /** False positive rate that clean inputs may have, in (0, 1). */
  readonly targetFpr: number;
  /** Inputs used: half to train, half to set the threshold, disjoint. */
  readonly images: number;
  readonly seed: number;
  readonly version: string;
  readonly createdAt: Date;
}

/** Vectors that an artefact carries so that whoever loads it can check its own arithmetic. */
const selfCheckVectors = 16;

/**
 * Calibrates a detector for one model.
 *
 * The threshold is set on clean inputs that took no part in training, those that the model gets wrong included: they are
 * clean traffic too.
 * @returns the artefact, bound to the digest of the model
 * @throws GuardError `invalid_dataset` where the data set does not fit the model or is too small for the target rate
 * @see NCCR, section 5.1
 */
export async function calibrateDetector(
  { extractor, target, dataset }: CalibrationInputs,
  options: CalibrationOptions,
  onStage: StageProgress,
): Promise<DetectorArtefact> {
  const { design, seed } = options;
  const { strict, hidden } = detectorDesigns[design];
  checkDataset(dataset, { inputShape: target.inputShape, classes: target.classes });
  const [trainingSet, thresholdSet] = splitDataset(dataset, options);
  const epsilon = extractor.compiled.plan.noise[0].epsilon;
  const correct = await correctRows(target, trainingSet);
  const { clean, adversarial } = await trainingInputs(
    { target, dataset: correct, epsilon },
    { strict, seed },
    onStage,
  );
  const vectorsOf = (inputs: Float32Array, stage: string) =>
    extractVectors(extractor, inputs, { design, onProgress: (share) => onStage(stage, share) });
  const cleanRows = await vectorsOf(clean, 'extract clean');
  const adversarialRows = await vectorsOf(adversarial, 'extract adversarial');
  onStage('train', 0);
  const mlp = trainMlp(labelled(cleanRows, adversarialRows), { hidden, seed });
  onStage('train', 1);
  const thresholdRows = await vectorsOf(thresholdSet.inputs, 'extract threshold set');
  const scores = scoreRows(mlp, thresholdRows);
  const { threshold, rank } = conformalThreshold(scores, options.targetFpr);
  return {
    ...artefactOf({ mlp, rows: thresholdRows, scores }, extractor, options),
    threshold: {
      value: threshold,
      target_fpr: options.targetFpr,
      fpr_ci95: falsePositiveInterval({ samples: scores.length, rank }),
      calibration_samples: scores.length,
    },
    calibration: {
      seed,
      dataset: dataset.name,
      training: {
        images: trainingSet.labels.length,
        digest: datasetDigest(trainingSet),
        clean: cleanRows.count,
        adversarial: adversarialRows.count,
      },
      threshold: { images: thresholdSet.labels.length, digest: datasetDigest(thresholdSet) },
      attacks: strict ? ['fgsm', 'pgd', 'pgd-fixed'] : ['fgsm', 'pgd'],
    },
  };
}

/** Scores of extracted rows by the plain perceptron, [count]. */
export function scoreRows(mlp: Mlp, { vectors, count, length }: ExtractedRows): Float64Array {
  return Float64Array.from({ length: count }, (_, row) =>
    mlpScore(mlp, vectors.subarray(row * length, (row + 1) * length)),
  );
}

/** Draws the images and splits them by image: a clean input and its adversarial copies never stand on both sides. */
function splitDataset(dataset: Dataset, { images, seed, targetFpr }: CalibrationOptions): [Dataset, Dataset] {
  const available = dataset.labels.length;
  if (images > available) {
    throw new GuardError(
      'invalid_dataset',
      `${images} images are asked for, ${dataset.name} has ${available}`,
    );
  }
  const half = Math.floor(images / 2);
  const needed = conformalSamplesNeeded(targetFpr);
  if (images - half < needed) {
    const detail = `a false positive rate of ${targetFpr} needs ${needed} images for the threshold and as many to train`;
    throw new GuardError('invalid_dataset', `${detail}: at least ${2 * needed}, not ${images}`);
  }
  const order = permutation(available, seededRandom(seed));
  return [
    selectDatasetRows(dataset, order.subarray(0, half)),
    selectDatasetRows(dataset, order.subarray(half, images)),
  ];
}

function labelled(clean: ExtractedRows, adversarial: ExtractedRows) {
  const vectors = new Float64Array(clean.vectors.length + adversarial.vectors.length);
  vectors.set(clean.vectors);
  vectors.set(adversarial.vectors, clean.vectors.length);
  const classes = new Uint8Array(clean.count + adversarial.count).fill(1, clean.count);
  return { vectors, length: clean.length, adversarial: classes };
}

/** Everything of the artefact but its threshold and its history. */
function artefactOf(
  { mlp, rows, scores }: { mlp: Mlp; rows: ExtractedRows; scores: Float64Array },
  { compiled }: Extractor,
  { design, version, createdAt }: CalibrationOptions,
): Omit<DetectorArtefact, 'threshold' | 'calibration'> {
  const { name, digest, input_name, input_shape, output_name, classes } = compiled.model;
  const checks = Math.min(selfCheckVectors, rows.count);
  return {
    format: 'nccr-guard/detector',
    format_version: 1,
    name: `nccr-${design}-n${planCopies(compiled.plan)}`,
    version,
    created_at: createdAt.toISOString(),
    model: { name, digest, input_name, input_shape, output_name, classes },
    plan: compiled.plan,
    vector: { design, length: rows.length },
    standardise: { mean: [...mlp.mean], deviation: [...mlp.deviation], clip: mlp.clip },
    mlp: { layers: mlp.layers.map(packLayer), parameters: parameterCount(mlp.layers) },
    onnx: Buffer.from(mlpToOnnx(mlp)).toString('base64'),
    self_check: {
      vectors: Array.from({ length: checks }, (_, row) =>
        Array.from(rows.vectors.subarray(row * rows.length, (row + 1) * rows.length)),
      ),
      scores: Array.from(scores.subarray(0, checks)),
    },
  };
}
