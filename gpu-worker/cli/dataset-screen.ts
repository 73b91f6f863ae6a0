// `nccr-guard dataset screen`: a data set and the model that was trained on it in, the classes that hold poison out.
import { basename } from 'node:path';
import { Command } from 'commander';
import { type ScreeningMode, screeningModes } from '../../shared/contracts/screening.ts';
import type { ScreeningReport } from '../../shared/contracts/screening-report.ts';
import { GuardError } from '../../shared/errors.ts';
import { screeningSeedMax } from '../../shared/limits.ts';
import { reportJson } from '../../shared/screening-report/report-json.ts';
import { screeningPage } from '../../shared/screening-report/screening-page.ts';
import { suspectsCsv } from '../../shared/screening-report/suspects-csv.ts';
import { type Layout, layouts } from '../datasets/image-array.ts';
import { readNpz } from '../datasets/npz.ts';
import { openUploadSource, type UploadSource, uploadSourceHelp } from '../datasets/upload-source.ts';
import { createEngine } from '../engine/create-engine.ts';
import { cleanCopy, copySuffixes } from '../screening/clean-copy.ts';
import { exampleExtractor } from '../screening/example-extractor.ts';
import { type ScreenUploadOptions, screenUpload, suspectRows } from '../screening/screen-upload.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { readNoiseKey } from './noise-key-file.ts';
import { numberPair, oneOf, seedNumber } from './options.ts';
import { progressDisplay } from './progress.ts';
import { readInput } from './read-file.ts';
import { screeningSummary, screeningText } from './screening-text.ts';
import { requireOther, requireWritable, writeWhole } from './write-file.ts';

const verdictsThatFail = ['poisoned', 'none'] as const;

interface ScreenOptions extends EngineOption {
  readonly model: string;
  readonly name?: string;
  readonly mode: ScreeningMode;
  readonly layer?: string;
  readonly output?: string;
  readonly range: readonly [number, number];
  readonly seed: number;
  readonly noiseKey?: string;
  readonly split: string;
  readonly layout?: Layout;
  readonly inputsArray?: string;
  readonly labelsArray?: string;
  readonly planted?: string;
  readonly remove?: string;
  readonly out?: string;
  readonly csv?: string;
  readonly html?: string;
  readonly failOn: (typeof verdictsThatFail)[number];
  readonly json?: boolean;
}

/** Makes the command; `onPoisoned` is called where a class is poisoned and that is to fail. */
export function datasetScreenCommand(onPoisoned: () => void): Command {
  const command = new Command('screen');
  return addEngineOption(command)
    .description('find poisoned classes in the data that a model was trained on')
    .argument('<path>', uploadSourceHelp)
    .requiredOption('--model <model.onnx>', 'the model that was trained on it')
    .option('--name <name>', "name of the model in the report; by default its file's")
    .option(
      '--mode <mode>',
      'nccr: the change under noise that destroys the image; activation: the activation itself, a fourth of the work',
      oneOf(screeningModes),
      'nccr',
    )
    .option('--layer <tensor>', 'what is read in place of the penultimate layer')
    .option('--output <tensor>', 'the logits, where the model has several outputs')
    .option('--range <low,high>', 'lowest and highest valid value of the input', numberPair, [0, 1])
    .option('--seed <number>', 'of noise and clustering', seedNumber(screeningSeedMax), 1)
    .option('--noise-key <file>', 'key of a deployment, whose screening jobs have the same noise')
    .option('--split <prefix>', 'prefix of the IDX files; train or test of the others', 'train')
    .option('--layout <layout>', 'of an npz array, where its shape leaves it open', oneOf(layouts))
    .option('--inputs-array <name>', 'npz array of the images; by default x, or images')
    .option('--labels-array <name>', 'npz array of the labels; by default y, or labels')
    .option('--planted <array>', 'npz array of rows that are known to be poison: how many were found is told')
    .option(
      '--remove <out>',
      'write the data set without the suspects: npz, idx and cifar as they came, others as npz',
    )
    .option('--out <report.json>', 'write the report')
    .option('--csv <file>', 'write the suspects with their scores')
    .option('--html <file>', 'write the report as a page')
    .option(
      '--fail-on <verdict>',
      'exit status 1 where a class is poisoned, or in no case',
      oneOf(verdictsThatFail),
      'poisoned',
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 no class is poisoned, 1 a class is poisoned, 2 it was refused or failed, 70 a bug.',
    )
    .action(async (path: string, options: ScreenOptions) => {
      const report = await run(path, options);
      if (report.screening.poisoned.length > 0 && options.failOn === 'poisoned') onPoisoned();
    });
}

async function run(path: string, options: ScreenOptions): Promise<ScreeningReport> {
  const { out, csv, html, remove, json = false } = options;
  await requireWritable(out, csv, html, remove);
  const model = await readInput(options.model);
  const source = await openUploadSource(path, options.split);
  const copies = remove === undefined ? [] : copySuffixes(source).map((suffix) => `${remove}${suffix}`);
  await requireOther([out, csv, html, ...copies], [...source.paths, options.model]);
  const { seed, mode, range, layer, output } = options;
  const noiseKey = await readNoiseKey(options.noiseKey);
  const planted = await plantedRows(source, options.planted);
  const name = options.name ?? basename(options.model, '.onnx');
  const progress = progressDisplay({ quiet: json });
  const engine = await createEngine({ engine: options.engine });
  try {
    const named = { engine, name, mode, range, seed, noiseKey, layer, output };
    const extractor = await exampleExtractor(model, named);
    const screened = {
      source,
      extractor,
      seed,
      layout: options.layout,
      arrays: arraysOf(options),
      planted,
      onStage: progress.onStage,
    };
    const { report, summary } = await screenUpload(screened);
    progress.stop();
    const written = await writeFiles(report, { options, screened });
    if (json) console.log(JSON.stringify(screeningSummary(report, written)));
    else console.log(screeningText(report, { summary, written, neurons: extractor.neurons }));
    return report;
  } finally {
    progress.stop();
    await engine.close();
  }
}

/** Writes what was asked for; the paths of it. */
async function writeFiles(
  report: ScreeningReport,
  { options, screened }: { options: ScreenOptions; screened: ScreenUploadOptions },
): Promise<string[]> {
  const { out, csv, html, remove } = options;
  const files: { path: string; content: Uint8Array | string }[] = [];
  if (out !== undefined) files.push({ path: out, content: reportJson(report) });
  if (csv !== undefined) files.push({ path: csv, content: suspectsCsv(report) });
  if (html !== undefined) files.push({ path: html, content: await screeningPage(report) });
  if (remove !== undefined) {
    const suspects = suspectRows(report.screening);
    for (const { suffix, bytes } of await cleanCopy({ ...screened, suspects })) {
      files.push({ path: `${remove}${suffix}`, content: bytes });
    }
  }
  for (const { path, content } of files) await writeWhole(path, content);
  return files.map(({ path }) => path);
}

function arraysOf({ inputsArray, labelsArray }: ScreenOptions): ScreenUploadOptions['arrays'] {
  if (inputsArray === undefined && labelsArray === undefined) return undefined;
  if (inputsArray !== undefined && labelsArray !== undefined) {
    return { images: inputsArray, labels: labelsArray };
  }
  throw new GuardError(
    'invalid_config',
    '--inputs-array and --labels-array are given together or not at all',
  );
}

async function plantedRows(
  { name, format, paths }: UploadSource,
  array: string | undefined,
): Promise<number[] | undefined> {
  if (array === undefined) return undefined;
  if (format !== 'npz' || paths.length === 0) {
    throw new GuardError('invalid_config', `--planted is read from npz files, ${name} is none`);
  }
  const found = readNpz(await readInput(paths[0]), { name, arrays: [array] })[array];
  if (found === undefined) throw new GuardError('invalid_dataset', `${name} has no array ${array}`);
  return Array.from(found.data as ArrayLike<number | bigint>, Number);
}
