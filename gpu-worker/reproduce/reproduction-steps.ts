// The steps of a reproduction: each one command over files of the data folder, whose result is kept.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { BaselineName } from '../evaluate/table-baselines.ts';
import type { DetectionSizes, ReproductionSizes } from './sizes.ts';

/** One command, and what it reads. */
export interface PlannedStep {
  readonly name: string;
  /** Tables and figures that it is for. */
  readonly tables: readonly string[];
  /** Words of the command, without those that say where its results go. */
  readonly command: readonly string[];
  /** Files and folders that it reads. */
  readonly inputs: readonly string[];
  /** What it writes: a report as JSON with its page, a folder of figures with theirs, or a model. */
  readonly result: 'report' | 'figures' | 'model';
  /** Steps whose result it reads; their files stand in the command as `{name}`. */
  readonly needs: readonly string[];
  /** Option of the command that names a folder in which its parts are kept, so that a killed one goes on. */
  readonly keep?: '--examples' | '--keep';
}

/** Designs whose train-by-test matrix stands beside the paper's: the paper's detector as it works, and our default. */
export const matrixDesigns = ['rank-gaps', 'margin-changes'] as const satisfies readonly VectorDesign[];

/** The paper's baselines, and the margin that no figure should stand without. */
const baselines = [
  'margin',
  'label change rate',
  'dissector',
  'a2d',
] as const satisfies readonly BaselineName[];

/** Radii as the paper takes them, and as half and double of that. */
const mnist = { epsilon: '0.3', budgets: '0.1,0.2,0.3', transforms: 'w0-grey' };
const cifar10 = { epsilon: '0.03137', budgets: '0.015686,0.03137,0.062745', transforms: 'w0-colour' };

/**
 * Lists the steps.
 * @param folder with `data/` and `models/`
 * @param manifest where the list of poisoned training sets lies
 */
export function reproductionSteps(
  folder: string,
  { sizes, manifest }: { sizes: ReproductionSizes; manifest: string },
): PlannedStep[] {
  const file = (name: string) => join(folder, name);
  return [
    ...robustnessSteps(file, sizes),
    detectionStep('detection-mnist', {
      model: file('models/mnist-lenet5.onnx'),
      data: file('data/mnist'),
      source: `idx:${file('data/mnist')}`,
      radii: mnist,
      sizes: sizes.mnist,
    }),
    detectionStep('detection-cifar10', {
      model: file('models/cifar10-resnet8.onnx'),
      data: file('data/cifar10'),
      source: `cifar10:${file('data/cifar10')}`,
      radii: cifar10,
      sizes: sizes.cifar10,
    }),
    ...figureSteps(file, sizes),
    {
      name: 'screening',
      tables: ['table-6'],
      command: [
        ['dataset', 'screen-table', manifest],
        ['--strip-overlays', String(sizes.screening.stripOverlays)],
        (sizes.screening.only ?? []).flatMap((name) => ['--only', name]),
      ].flat(),
      inputs: [file('models/poisoned'), file('data/gtsrb/train.npz'), file('data/cifar10')],
      result: 'report',
      needs: [],
      keep: '--keep',
    },
  ];
}

/** Tables 1 and 2, and figure 2: NCCR and accuracies of networks side by side. */
function robustnessSteps(file: (name: string) => string, sizes: ReproductionSizes): PlannedStep[] {
  const { images, attacked, sets } = sizes.robustness;
  const counts = ['--images', images, '--attack-images', attacked, '--sets', sets].map(String);
  const grey = file('data/mnist');
  const colour = file('data/cifar10');
  const natural = file('models/cifar10-resnet8.onnx');
  const trained = 'adversarial-training-cifar10';
  const trains = sizes.adversarialEpochs > 0;
  const training: PlannedStep = {
    name: trained,
    tables: ['table-2'],
    command: [
      ['model', 'train', '--from', natural, '--dataset', `cifar10:${colour}`],
      ['--adversarial-epsilon', cifar10.epsilon, '--epochs', String(sizes.adversarialEpochs)],
      ['--augment', 'shift', '--learning-rate', '0.001'],
    ].flat(),
    inputs: [natural, colour],
    result: 'model',
    needs: [],
  };
  return [
    {
      name: 'robustness-mnist',
      tables: ['table-1'],
      command: [
        ['model', 'evaluate', file('models/mnist-lenet5.onnx'), file('models/mnist-lenet5-pgd.onnx')],
        ['--name', 'natural', '--name', 'adversarially trained', '--dataset', `idx:${grey}`],
        counts,
      ].flat(),
      inputs: [file('models/mnist-lenet5.onnx'), file('models/mnist-lenet5-pgd.onnx'), grey],
      result: 'report',
      needs: [],
      keep: '--keep',
    },
    ...(trains ? [training] : []),
    {
      name: 'robustness-cifar10',
      tables: ['table-2'],
      command: [
        ['model', 'evaluate', natural],
        trains ? [`{${trained}}`] : [],
        ['--name', 'natural'],
        trains ? ['--name', 'adversarially trained'] : [],
        ['--dataset', `cifar10:${colour}`],
        counts,
      ].flat(),
      inputs: [natural, colour],
      result: 'report',
      needs: trains ? [trained] : [],
      keep: '--keep',
    },
  ];
}

/** Figures 1 and 3 on digits; 4 and 5 on the network of road signs that has a white square for a backdoor, as in the paper. */
function figureSteps(file: (name: string) => string, sizes: ReproductionSizes): PlannedStep[] {
  const { images, signs } = sizes.figures;
  const digits = { model: file('models/mnist-lenet5.onnx'), data: file('data/mnist') };
  const road = {
    model: file('models/poisoned/gtsrb_badnets_t33_10.onnx'),
    data: file('data/gtsrb/test.npz'),
  };
  const recipe = fileURLToPath(new URL('../triggers/recipes/gtsrb-badnets-t33-10.json', import.meta.url));
  const figures = { result: 'figures', needs: [], keep: '--examples' } as const;
  return [
    {
      ...figures,
      name: 'figures-mnist',
      tables: ['figures-1-and-3'],
      command: [
        ['figures', digits.model, '--dataset', `idx:${digits.data}`],
        ['--epsilon', mnist.epsilon, '--images', String(images)],
      ].flat(),
      inputs: [digits.model, digits.data],
    },
    {
      ...figures,
      name: 'figures-gtsrb',
      tables: ['figures-4-and-5'],
      command: [
        ['figures', road.model, '--dataset', `npz:${road.data}`, '--layout', 'nhwc', '--recipe', recipe],
        ['--epsilon', cifar10.epsilon, '--images', String(signs), '--attack', 'pgd-fixed'],
      ].flat(),
      inputs: [road.model, road.data, recipe],
    },
  ];
}

interface DetectionWork {
  readonly model: string;
  /** Folder of the data set, and how `--dataset` names it. */
  readonly data: string;
  readonly source: string;
  readonly radii: typeof mnist;
  readonly sizes: DetectionSizes;
}

/** Tables 3 and 4 of one data set: every design and baseline, and the train-by-test matrix. */
function detectionStep(name: string, { model, data, source, radii, sizes }: DetectionWork): PlannedStep {
  const { training, threshold, test, seeds, timed } = sizes;
  return {
    name,
    tables: ['table-3', 'table-4'],
    command: [
      ['detector', 'table', model, '--dataset', source, '--transforms', radii.transforms],
      ['--epsilon', radii.epsilon, '--budgets', radii.budgets],
      ['--train-images', String(training), '--threshold-images', String(threshold)],
      ['--test-images', String(test), '--seeds', String(seeds), '--time-inputs', String(timed)],
      matrixDesigns.flatMap((design) => ['--design', design, '--matrix', design]),
      baselines.flatMap((baseline) => ['--baseline', baseline.replaceAll(' ', '-')]),
    ].flat(),
    inputs: [model, data],
    result: 'report',
    needs: [],
    keep: '--examples',
  };
}
