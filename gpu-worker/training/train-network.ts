// The training of a classifier: epochs over shuffled batches, on natural images or on adversarial ones.
import { GuardError } from '../../shared/errors.ts';
import { permutation, type Random, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { pgd } from '../attacks/pgd.ts';
import { type Dataset, datasetRow } from '../datasets/dataset.ts';
import type { Engine } from '../engine/engine.ts';
import { writeWeights } from '../onnx/weights.ts';
import { adam } from './adam.ts';
import { type Augmentation, augmentInto } from './augment.ts';
import { checkTrainingSet } from './check-training-set.ts';
import { type BatchGradients, type FedNetwork, type LabelledBatch, loadFedNetwork } from './fed-network.ts';

/** Adversarial training: every batch is attacked at the present weights before it is learnt. */
export interface AdversarialTraining {
  /** Radius in the max norm, in units of the input. */
  readonly epsilon: number;
  /** Steps of PGD from a random start. */
  readonly steps: number;
  /** Lowest and highest valid value of an input. */
  readonly range: readonly [number, number];
}

/** Schedule of a training. */
export interface TrainingOptions {
  readonly engine: Engine;
  /** Passes over the data set; may be a fraction. */
  readonly epochs: number;
  /** Seed of order, augmentation and random starts. */
  readonly seed: number;
  /** Images of one step. */
  readonly batch?: number;
  /** Highest learning rate: it rises to it over the first tenth and falls as a cosine to 0. */
  readonly learningRate?: number;
  readonly weightDecay?: number;
  readonly augmentation?: Augmentation | undefined;
  readonly adversarial?: AdversarialTraining | undefined;
  /** Called after each step with the share done, in (0, 1]. */
  readonly onProgress?: (share: number) => void;
  /** Called after each epoch. */
  readonly onEpoch?: (epoch: EpochRecord) => void;
  /** Once aborted, the training ends with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What an epoch showed, on the batches as they were learnt. */
export interface EpochRecord {
  /** Counted from 1. */
  readonly epoch: number;
  /** Mean cross-entropy. */
  readonly loss: number;
  /** In [0, 1]. */
  readonly accuracy: number;
  /** Of all steps of the epoch together. */
  readonly imagesPerSecond: number;
}

/** Share of the training over which the learning rate rises. */
const warmUp = 0.1;
/** Share of the training over which an adversarial radius rises, since drawn weights tell nothing apart at the full one. */
const radiusRamp = 0.4;

/**
 * Trains all convolutions and dense layers of a model.
 *
 * AdamW on the cross-entropy. Equal models, data and options give equal weights, whatever the number of workers.
 * @param modelBytes an ONNX file, as `buildNetwork` writes it or as training has left it
 * @returns the same file with the trained weights
 * @throws GuardError `invalid_dataset` where the data do not fit the model, `invalid_model` where the loss is no number
 *   any more, `unsupported_operator` where there is no gradient through a node
 * @see Madry et al., "Towards deep learning models resistant to adversarial attacks" (2018), for adversarial training
 */
export async function trainNetwork(
  modelBytes: Uint8Array,
  dataset: Dataset,
  options: TrainingOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const network = await loadFedNetwork(modelBytes, options.engine);
  try {
    checkTrainingSet(dataset, network);
    await runEpochs(network, dataset, options);
    return writeWeights(modelBytes, network.weights);
  } finally {
    await network.release();
  }
}

async function runEpochs(network: FedNetwork, dataset: Dataset, options: TrainingOptions): Promise<void> {
  const { epochs, seed, batch = 64, learningRate = 2e-3, weightDecay = 1e-2, adversarial } = options;
  const random = seededRandom(seed);
  const optimiser = adam(network.weights.map(({ values }) => values));
  const rows = dataset.labels.length;
  const stepsOfEpoch = Math.ceil(rows / batch);
  const steps = Math.max(1, Math.round(epochs * stepsOfEpoch));
  const target = adversarial && (await network.attackTarget(adversarial.range));
  let order = permutation(rows, random);
  let epoch = startEpoch();
  for (let step = 0; step < steps; step++) {
    options.signal?.throwIfAborted();
    const place = step % stepsOfEpoch;
    if (place === 0 && step > 0) order = permutation(rows, random);
    const chosen = order.subarray(place * batch, Math.min(rows, (place + 1) * batch));
    const share = step / steps;
    const natural = drawBatch(dataset, chosen, { ...options, random });
    const attack = { ...adversarial, share, seed: seed + step };
    const learnt = target ? await attacked(target, natural, attack) : natural;
    const found = await network.gradients(learnt);
    requireFinite(found, step);
    optimiser.step(found.gradients, { learningRate: learningRate * scheduled(share), weightDecay });
    epoch = addToEpoch(epoch, found, chosen.length);
    options.onProgress?.((step + 1) / steps);
    if (place === stepsOfEpoch - 1 || step === steps - 1) {
      options.onEpoch?.(endEpoch(epoch, Math.floor(step / stepsOfEpoch) + 1));
      epoch = startEpoch();
    }
  }
}

/** Share of the highest learning rate at a share of the training. */
function scheduled(share: number): number {
  if (share < warmUp) return (share + 1e-3) / (warmUp + 1e-3);
  return (1 + Math.cos((Math.PI * (share - warmUp)) / (1 - warmUp))) / 2;
}

function drawBatch(
  dataset: Dataset,
  rows: Uint32Array,
  { augmentation, random }: { augmentation?: Augmentation | undefined; random: Random },
): LabelledBatch {
  const { inputShape } = dataset;
  const size = elementCount(inputShape);
  const inputs = new Float32Array(rows.length * size);
  for (const [index, row] of rows.entries()) {
    const image = datasetRow(dataset, row);
    const place = inputs.subarray(index * size, (index + 1) * size);
    if (augmentation === undefined) place.set(image);
    else augmentInto(place, image, { inputShape, augmentation, random });
  }
  return { inputs, labels: Int32Array.from(rows, (row) => dataset.labels[row]) };
}

/** The batch as PGD leaves it; every row is learnt at its last step, whether it fools the network or not. */
async function attacked(
  target: AttackTarget,
  natural: LabelledBatch,
  attack: { epsilon?: number; steps?: number; share: number; seed: number },
): Promise<LabelledBatch> {
  const epsilon = (attack.epsilon ?? 0) * Math.min(1, (attack.share + 1e-3) / radiusRamp);
  const { inputs } = await pgd(target, natural, {
    epsilon,
    steps: attack.steps ?? 1,
    randomStart: attack.seed,
  });
  return { inputs, labels: natural.labels };
}

function requireFinite({ loss, gradients }: BatchGradients, step: number): void {
  if (Number.isFinite(loss) && gradients.every((gradient) => gradient.every(Number.isFinite))) return;
  throw new GuardError('invalid_model', `the loss is no number any more at step ${step + 1} of the training`);
}

interface RunningEpoch {
  readonly startedAt: number;
  readonly rows: number;
  readonly loss: number;
  readonly correct: number;
}

function startEpoch(): RunningEpoch {
  return { startedAt: performance.now(), rows: 0, loss: 0, correct: 0 };
}

function addToEpoch(epoch: RunningEpoch, { loss, correct }: BatchGradients, rows: number): RunningEpoch {
  return {
    ...epoch,
    rows: epoch.rows + rows,
    loss: epoch.loss + loss,
    correct: epoch.correct + correct,
  };
}

function endEpoch({ startedAt, rows, loss, correct }: RunningEpoch, epoch: number): EpochRecord {
  return {
    epoch,
    loss: loss / rows,
    accuracy: correct / rows,
    imagesPerSecond: (1000 * rows) / (performance.now() - startedAt),
  };
}
