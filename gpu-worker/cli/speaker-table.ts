// `nccr-guard speaker table`: detectors of adversarial speech and baselines on one speaker model, and its verification.
import { Command } from 'commander';
import { GuardError } from '../../shared/errors.ts';
import { waveformAttacks } from '../attacks/waveform-attacks.ts';
import { loadExampleSets } from '../datasets/example-sets.ts';
import { speakerTable } from '../evaluate/speaker-table.ts';
import { speakerTableText } from '../evaluate/speaker-table-text.ts';
import { openEmbedder } from '../evaluate/speaker-verification.ts';
import { openDetectorWork } from './detector-work.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { addExamplesOption } from './kept-examples.ts';
import {
  addDatasetOptions,
  collect,
  type DatasetOptions,
  datasetOfOptions,
  positiveInteger,
  risingNumbers,
} from './options.ts';
import { planOfOptions } from './plan-options.ts';
import { progressDisplay } from './progress.ts';
import { readInput } from './read-file.ts';
import { requireWritable, writeWhole } from './write-file.ts';

interface SpeakerTableOptions extends DatasetOptions, EngineOption {
  readonly testDataset?: string;
  readonly testInputsArray?: string;
  readonly testLabelsArray?: string;
  readonly tap?: readonly string[];
  readonly embedding?: string;
  readonly levels?: readonly number[];
  readonly copies: number;
  readonly bankRows: number;
  readonly budgets: readonly number[];
  readonly noises: readonly number[];
  readonly thresholdWindows: number;
  readonly attackedWindows?: number;
  readonly slowWindows: number;
  readonly seeds: number;
  readonly adversarial?: readonly string[];
  readonly examples?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function speakerTableCommand(): Command {
  const command = new Command('table')
    .description(
      'compare detectors of adversarial speech and baselines on one speaker model; verify speakers with it',
    )
    .argument('<model.onnx>', 'the protected model, not compiled')
    .option('--test-dataset <source>', 'where the test windows come from; by default --dataset')
    .option('--test-inputs-array <name>', 'npz array of the test windows; by default --inputs-array')
    .option('--test-labels-array <name>', 'npz array of their speakers; by default --labels-array')
    .option(
      '--tap <tensor>',
      'layer that the detectors read, may be repeated; by default the ends of all layers that every path runs through',
      collect,
    )
    .option('--embedding <tensor>', 'tensor of the embedding; without it nothing is verified')
    .option('--levels <numbers>', 'rising bounds of the noises, twice their deviations', risingNumbers)
    .option('--copies <count>', 'copies under each noise', positiveInteger, 8)
    .option('--bank-rows <count>', 'noise rows of each strength that the graph carries', positiveInteger, 64)
    .option('--budgets <numbers>', 'rising radii of the fixed attacks', risingNumbers, [0.002, 0.004])
    .option(
      '--noises <numbers>',
      'deviations of noise that is no attack',
      risingNumbers,
      [0.0005, 0.001, 0.002, 0.004],
    )
    .option(
      '--threshold-windows <count>',
      'training windows that set the thresholds and are not trained on',
      positiveInteger,
      150,
    )
    .option(
      '--attacked-windows <count>',
      'test windows that each attack is given; by default all that the model gets right',
      positiveInteger,
    )
    .option('--slow-windows <count>', 'test windows that C&W and FAKEBOB are given', positiveInteger, 80)
    .option('--seeds <count>', 'detectors trained of each kind', positiveInteger, 5)
    .option(
      '--adversarial <file>',
      'npz of examples of another tool: arrays NAME with the labels NAME_y; may be repeated',
      collect,
    )
    .option('--out <file>', 'write the table as JSON')
    .option('--json', 'print the table as JSON');
  return addExamplesOption(addEngineOption(addDatasetOptions(command, 'train'))).action(run);
}

async function run(path: string, options: SpeakerTableOptions): Promise<void> {
  const model = await readInput(path);
  const training = await datasetOfOptions(options);
  const test = await datasetOfOptions({
    ...options,
    dataset: options.testDataset ?? options.dataset,
    split: 'test',
    rows: undefined,
    inputsArray: options.testInputsArray ?? options.inputsArray,
    labelsArray: options.testLabelsArray ?? options.labelsArray,
  });
  requireOther(options);
  const { copies, bankRows, levels, tap } = options;
  const plan = planOfOptions(
    { noise: 'gaussian', epsilon: 0, copies, bankRows, levels, tap },
    { design: 'layer-levels', channels: 1 },
  );
  const foreign = (
    await Promise.all((options.adversarial ?? []).map((file) => loadExampleSets(file)))
  ).flat();
  await requireWritable(options.out);
  const display = progressDisplay({ quiet: options.json === true });
  const { engine, examples } = options;
  const work = await openDetectorWork(model, { engine, name: path, plan, seed: 1, examples, levels: true });
  try {
    const { classes } = work.target;
    const embedder =
      options.embedding === undefined
        ? undefined
        : await openEmbedder(model, { engine: work.engine, tensor: options.embedding, classes });
    const table = await speakerTable(
      { ...work, run: waveformAttacks(work.run), training, test, foreign, embedder },
      {
        thresholdWindows: options.thresholdWindows,
        budgets: options.budgets,
        attackedWindows: options.attackedWindows,
        slowWindows: options.slowWindows,
        noises: options.noises,
        seeds: Array.from({ length: options.seeds }, (_, index) => index + 1),
      },
      display.onStage,
    );
    display.stop();
    if (options.out !== undefined) await writeWhole(options.out, `${JSON.stringify(table, null, 2)}\n`);
    console.log(options.json ? JSON.stringify(table) : speakerTableText(table));
  } finally {
    display.stop();
    await work.close();
  }
}

/** Windows of one set would stand on both sides. */
function requireOther({ testDataset, testInputsArray }: SpeakerTableOptions): void {
  if (testDataset !== undefined || testInputsArray !== undefined) return;
  throw new GuardError(
    'invalid_config',
    'name other windows to test on: --test-dataset or --test-inputs-array',
  );
}
