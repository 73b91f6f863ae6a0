// `nccr-guard detector table`: vector designs and baselines side by side on the same examples.
import { Command } from 'commander';
import { designReads, type VectorDesign, vectorDesigns } from '../../shared/contracts/detector-artefact.ts';
import { extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import {
  type TransformPresetName,
  transformPresetNames,
  transformPresets,
} from '../../shared/noise/transform-presets.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import { reportedShifts } from '../datasets/clean-shifts.ts';
import { detectionTable, type TestAttack } from '../evaluate/detection-table.ts';
import { type BaselineName, baselineNames } from '../evaluate/table-baselines.ts';
import { type SequentialDesign, sequentialDesigns } from '../evaluate/table-sequential.ts';
import { tableText } from '../evaluate/table-text.ts';
import { writeReportPage } from './detector-report.ts';
import { openDetectorWork, tapActivations } from './detector-work.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { addExamplesOption } from './kept-examples.ts';
import { keyedPlan, readNoiseKey } from './noise-key-file.ts';
import {
  addDatasetOptions,
  addForeignOption,
  type DatasetOptions,
  datasetOfOptions,
  foreignOfOptions,
  oneOf,
  positiveInteger,
  positiveNumber,
  risingNumbers,
  several,
  wholeNumber,
} from './options.ts';
import { addNeuronOption } from './plan-options.ts';
import { progressDisplay } from './progress.ts';
import { readInput } from './read-file.ts';
import { requireWritable, writeWhole } from './write-file.ts';

interface TableCommandOptions extends DatasetOptions, EngineOption {
  readonly testDataset?: string;
  readonly transforms: TransformPresetName;
  readonly keyedTransforms?: string;
  readonly epsilon: number;
  readonly budgets: readonly number[];
  readonly trainImages: number;
  readonly thresholdImages: number;
  readonly thresholdFromTest?: boolean;
  readonly testImages: number;
  readonly seeds: number;
  readonly design?: readonly VectorDesign[];
  readonly sequential?: readonly SequentialDesign[];
  readonly sequentialCopies?: number;
  readonly baseline?: readonly BaselineName[];
  readonly layer?: readonly string[];
  readonly neuronTensor?: readonly string[];
  readonly timeInputs: number;
  readonly matrix?: readonly VectorDesign[];
  readonly matrixSource?: readonly SmallestAttack[];
  readonly out?: string;
  readonly html?: string;
  readonly examples?: string;
  readonly adversarial?: readonly string[];
  readonly json?: boolean;
}

/** The paper's five attacks, at the smallest success of each. */
const smallestAttacks = [
  'fgsm',
  'pgd',
  'jsma',
  'carlini-wagner',
  'deepfool',
] as const satisfies readonly AttackName[];
type SmallestAttack = (typeof smallestAttacks)[number];

/** The designs for images; `speaker table` has the one for recordings. */
const imageDesigns = vectorDesigns.filter((design) => !designReads[design].levels);

/** Copies with noise: the results flatten there (docs/paper.md). */
const noiseCopies = 4;

/** Makes the command. */
export function detectorTableCommand(): Command {
  const baselineWords = baselineNames.map((name) => name.replaceAll(' ', '-'));
  const baseline = (text: string) => baselineNames[baselineWords.indexOf(oneOf(baselineWords)(text))];
  const command = new Command('table')
    .description('compare vector designs and baselines on the same adversarial, clean and shifted inputs')
    .argument('<model.onnx>', 'the protected model, not compiled')
    .option(
      '--test-dataset <source>',
      'where the test inputs come from; the split test of --dataset by default',
    )
    .requiredOption(
      '--transforms <preset>',
      `families of the copies: ${transformPresetNames.join(' or ')}`,
      oneOf(transformPresetNames),
    )
    .option('--keyed-transforms <file>', 'draw the transforms by the noise key of this file')
    .requiredOption('--epsilon <number>', 'bound of the noise, in units of the input', positiveNumber)
    .requiredOption('--budgets <numbers>', 'rising radii of the fixed attacks', risingNumbers)
    .option('--train-images <count>', 'images to train on', positiveInteger, 4000)
    .option('--threshold-images <count>', 'other images to set the threshold of 5 %', positiveInteger, 1000)
    .option(
      '--threshold-from-test',
      'draw these from the test inputs, beside those tested: for a model that was trained on the training inputs',
    )
    .option('--test-images <count>', 'images to test on', positiveInteger, 1000)
    .option('--seeds <count>', 'detectors trained of each design', positiveInteger, 5)
    .option('--design <design>', 'design, may be repeated; all by default', several(oneOf(imageDesigns)))
    .option(
      '--sequential <design>',
      `design whose sequential test is a column too, may be repeated: ${sequentialDesigns.join(', ')}; none by default`,
      several(oneOf(sequentialDesigns)),
    )
    .option(
      '--sequential-copies <mean>',
      'copies that a sequential test may cost a clean input on average; by default 3.4 of transforms, 1.7 of noise',
      positiveNumber,
    )
    .option(
      '--baseline <name>',
      `baseline, may be repeated: ${baselineWords.join(', ')}; all by default, since a figure says little alone`,
      several(baseline),
    )
    .option(
      '--layer <tensor>',
      'tensor that the dissector reads, may be repeated; the activations by default',
      several(String),
    )
    .option('--time-inputs <count>', 'clean inputs on which time is measured; 0 for none', wholeNumber, 200)
    .option(
      '--matrix <design>',
      'design of the train-by-test matrix, may be repeated; no matrix by default',
      several(oneOf(imageDesigns)),
    )
    .option(
      '--matrix-source <attack>',
      `attack that the matrix trains on, may be repeated: ${smallestAttacks.join(', ')}; all by default`,
      several(oneOf(smallestAttacks)),
    )
    .option('--out <file>', 'write the table as JSON')
    .option('--html <file>', 'write the report as one page')
    .option('--json', 'print the table as JSON');
  addEngineOption(command);
  return addExamplesOption(addForeignOption(addNeuronOption(addDatasetOptions(command, 'train')))).action(
    run,
  );
}

async function run(path: string, options: TableCommandOptions): Promise<void> {
  const { sequential = [] } = options;
  requirePartners(options);
  const model = await readInput(path);
  const training = await datasetOfOptions(options);
  const test = await datasetOfOptions({
    ...options,
    dataset: options.testDataset ?? options.dataset,
    split: 'test',
    rows: undefined,
  });
  const noiseKey = await readNoiseKey(options.keyedTransforms);
  const listed = extractionPlanSchema.parse({
    input_range: [0, 1],
    noise: [{ family: 'gaussian', epsilon: options.epsilon, rows: 256, copies: noiseCopies }],
    transforms: transformPresets[options.transforms],
    taps: [],
  });
  const keyed = keyedPlan(listed, noiseKey);
  const plan = sequential.length > 0 ? await tapActivations(keyed, model) : keyed;
  const foreign = await foreignOfOptions(options, {
    inputShape: training.inputShape,
    range: plan.input_range,
  });
  const display = progressDisplay({ quiet: options.json === true });
  await requireWritable(options.out, options.html);
  const designs = options.design ?? imageDesigns;
  const work = await openDetectorWork(model, {
    engine: options.engine,
    name: path,
    plan,
    seed: 1,
    noiseKey,
    examples: options.examples,
    neurons: [...designs, ...(options.matrix ?? [])].some((design) => designReads[design].neurons),
    neuronTensors: options.neuronTensor,
  });
  try {
    const table = await detectionTable(
      { ...work, training, test, foreign },
      {
        designs,
        sequential,
        copiesMean: options.sequentialCopies,
        baselines: options.baseline ?? baselineNames,
        layers: options.layer,
        seeds: Array.from({ length: options.seeds }, (_, index) => index + 1),
        trainingImages: options.trainImages,
        thresholdImages: options.thresholdImages,
        thresholdFromTest: options.thresholdFromTest === true,
        testImages: options.testImages,
        attacks: testAttacks(options.budgets),
        shifts: reportedShifts,
        budgets: options.budgets,
        targetFpr: 0.05,
        timedInputs: options.timeInputs,
        matrix: options.matrix && {
          designs: options.matrix,
          sources: options.matrixSource ?? smallestAttacks,
        },
      },
      display.onStage,
    );
    display.stop();
    if (options.out !== undefined) await writeWhole(options.out, `${JSON.stringify(table, null, 2)}\n`);
    if (options.html !== undefined) await writeReportPage(options.html, table);
    console.log(options.json ? JSON.stringify(table) : tableText(table));
  } finally {
    display.stop();
    await work.close();
  }
}

/** An option that would change nothing is a mistake of whoever wrote the command. */
function requirePartners({
  matrix,
  matrixSource,
  layer,
  baseline = baselineNames,
  sequential,
  sequentialCopies,
}: TableCommandOptions): void {
  const refuse = (option: string, partner: string) => {
    throw new GuardError('invalid_config', `${option} changes nothing without ${partner}`);
  };
  if (matrixSource !== undefined && matrix === undefined) refuse('--matrix-source', '--matrix');
  if (layer !== undefined && !baseline.includes('dissector')) refuse('--layer', '--baseline dissector');
  if (sequentialCopies !== undefined && sequential === undefined)
    refuse('--sequential-copies', '--sequential');
}

/** The smallest successes of the paper's five attacks, the fixed ones at every budget, and one that no design is trained on. */
function testAttacks(budgets: readonly number[]): TestAttack[] {
  return [
    ...smallestAttacks.map((attack) => ({ attack })),
    ...budgets.map((epsilon) => ({ attack: 'fgsm-fixed' as const, epsilon })),
    ...budgets.map((epsilon) => ({ attack: 'pgd-fixed' as const, epsilon })),
    { attack: 'pgd-margin-fixed', epsilon: budgets[Math.floor(budgets.length / 2)] },
  ];
}
