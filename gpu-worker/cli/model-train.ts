// `nccr-guard model train`: a data set in, a small classifier trained on it out, as a plain ONNX file.
import { Command } from 'commander';
import { GuardError } from '../../shared/errors.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { Engine } from '../engine/engine.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { type ArchitectureName, architectureNames, buildNetwork } from '../training/architectures.ts';
import { type Augmentation, augmentations } from '../training/augment.ts';
import { channelMoments, checkTrainingSet, classesOf } from '../training/check-training-set.ts';
import { measureAccuracy } from '../training/measure-accuracy.ts';
import { type EpochRecord, trainNetwork } from '../training/train-network.ts';
import {
  addDatasetOptions,
  type DatasetOptions,
  datasetOfOptions,
  oneOf,
  positiveInteger,
  positiveNumber,
} from './options.ts';
import { progressDisplay } from './progress.ts';
import { readInput } from './read-file.ts';
import { requireWritable, writeWhole } from './write-file.ts';

interface TrainOptions extends DatasetOptions {
  readonly architecture?: ArchitectureName;
  readonly from?: string;
  readonly testDataset?: string;
  readonly testSplit: string;
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly augment?: Augmentation | true;
  readonly adversarialEpsilon?: number;
  readonly adversarialSteps: number;
  readonly out: string;
  readonly json?: boolean;
}

/** Pixels as every data set here gives them. */
const range = [0, 1] as const;

/** Makes the command. */
export function modelTrainCommand(): Command {
  const command = new Command('train')
    .description('train a small classifier, naturally or on adversarial examples')
    .requiredOption('--out <file>', 'where the trained model goes')
    .option(
      '--architecture <name>',
      'lenet5 (two convolutions, three dense layers) or cnn6 (six convolutions, two dense layers)',
      oneOf(architectureNames),
    )
    .option('--from <model.onnx>', 'go on from the weights of this model instead of drawing them');
  return addDatasetOptions(command, 'train')
    .option(
      '--test-dataset <source>',
      'images of the accuracy at the end; the test split of the data set where it is not given',
    )
    .option('--test-split <prefix>', 'split of these images', 'test')
    .option('--epochs <count>', 'passes over the data set', positiveInteger, 6)
    .option('--batch <count>', 'images of one step', positiveInteger, 64)
    .option('--learning-rate <number>', 'highest learning rate of AdamW', positiveNumber, 2e-3)
    .option('--seed <number>', 'of weights, order and augmentation', positiveInteger, 1)
    .option(
      '--augment [kind]',
      `move the images about as they are learnt: ${augmentations.join(' or ')}`,
      oneOf(augmentations),
    )
    .option(
      '--adversarial-epsilon <number>',
      'train on PGD examples of this radius in the max norm, pixels from 0 to 1',
      positiveNumber,
    )
    .option('--adversarial-steps <count>', 'steps of this PGD', positiveInteger, 7)
    .option('--json', 'print the result as JSON, without progress')
    .action(run);
}

async function run(options: TrainOptions): Promise<void> {
  const { seed, out, adversarialEpsilon: epsilon } = options;
  const { dataset, test } = await loadSets(options);
  const start = await startOf(options, dataset);
  checkTrainingSet(test, { inputShape: dataset.inputShape, classes: classesOf(dataset) });
  await requireWritable(out);
  const engine = await createOrtEngine({});
  const startedAt = performance.now();
  try {
    const { model, epochs } = await train(start, { dataset, engine, options });
    const seconds = (performance.now() - startedAt) / 1000;
    const accuracy = await measureAccuracy(model, test, { engine, range, epsilon, seed });
    await writeWhole(out, model);
    const digest = await sha256Digest(model);
    if (options.json) {
      console.log(JSON.stringify({ out, digest, seconds, epochs, accuracy }));
      return;
    }
    const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
    const attacked =
      accuracy.attacked === undefined
        ? ''
        : `, ${percent(accuracy.attacked)} under PGD at ${epsilon} (the first 500 of them at most)`;
    console.log(
      `trained ${options.architecture ?? options.from} in ${seconds.toFixed(0)} s: accuracy ${percent(accuracy.natural)} of ${test.labels.length} test images${attacked}`,
    );
    console.log(`wrote ${out}, ${model.length} bytes, ${digest}`);
  } finally {
    await engine.close();
  }
}

/** The model that training starts at: drawn for the data set, or one that is there. */
async function startOf({ architecture, from, seed }: TrainOptions, dataset: Dataset): Promise<Uint8Array> {
  const { inputShape } = dataset;
  // A data set of one class is refused for its own fault, not for the network that it asks for.
  const classes = Math.max(2, classesOf(dataset));
  checkTrainingSet(dataset, { inputShape, classes });
  if ((architecture === undefined) === (from === undefined)) {
    throw new GuardError('invalid_config', 'name either an --architecture or a model to start --from');
  }
  if (architecture === undefined) return readInput(from!);
  return buildNetwork(architecture, { inputShape, classes, seed, normalisation: channelMoments(dataset) });
}

async function loadSets(options: TrainOptions): Promise<{ dataset: Dataset; test: Dataset }> {
  const { dataset: source, testDataset, testSplit } = options;
  if (testDataset === undefined && source.startsWith('npz:')) {
    throw new GuardError('invalid_dataset', `${source} has no test split: name one with --test-dataset`);
  }
  const test = { ...options, dataset: testDataset ?? source, split: testSplit, rows: undefined };
  return { dataset: await datasetOfOptions(options), test: await datasetOfOptions(test) };
}

async function train(
  start: Uint8Array,
  { dataset, engine, options }: { dataset: Dataset; engine: Engine; options: TrainOptions },
): Promise<{ model: Uint8Array<ArrayBuffer>; epochs: EpochRecord[] }> {
  const { augment, adversarialEpsilon: epsilon, adversarialSteps: steps } = options;
  const epochs: EpochRecord[] = [];
  const quiet = options.json === true;
  const display = progressDisplay({ quiet });
  const stage = (epoch: number) => `epoch ${epoch} of ${options.epochs}`;
  try {
    const model = await trainNetwork(start, dataset, {
      engine,
      epochs: options.epochs,
      batch: options.batch,
      learningRate: options.learningRate,
      seed: options.seed,
      augmentation: augment === true ? 'shift' : augment,
      adversarial: epsilon === undefined ? undefined : { epsilon, steps, range },
      onProgress(share) {
        const done = share * options.epochs - epochs.length;
        display.onStage(stage(epochs.length + 1), done);
      },
      onEpoch(record) {
        epochs.push(record);
        display.stop();
        if (quiet) return;
        const { loss, accuracy, imagesPerSecond } = record;
        console.error(
          `  loss ${loss.toFixed(4)}, accuracy ${(100 * accuracy).toFixed(1)} %, ${imagesPerSecond.toFixed(0)} images/s`,
        );
      },
    });
    return { model, epochs };
  } finally {
    display.stop();
  }
}
