// `nccr-guard model evaluate`: how robust models are by NCCR over a data set, side by side, and a gate on it.
import { basename } from 'node:path';
import { Command } from 'commander';
import {
  modelRobustnessSchema,
  type RobustnessReport,
  robustnessReportSchema,
} from '../../shared/contracts/robustness-report.ts';
import { GuardError } from '../../shared/errors.ts';
import { robustnessModelsMax, robustnessSetsMax } from '../../shared/limits.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { robustnessPage } from '../../shared/robustness-report/robustness-page.ts';
import { attackRevisions, runAttack } from '../attacks/run-attack.ts';
import { type Dataset, datasetDigest, requireRows, selectDatasetRows } from '../datasets/dataset.ts';
import { createEngine } from '../engine/create-engine.ts';
import type { Engine } from '../engine/engine.ts';
import { earlierModels } from '../evaluate/earlier-reports.ts';
import { modelRobustness, type NamedModel, pgdSteps } from '../evaluate/model-robustness.ts';
import { robustnessText } from '../evaluate/robustness-text.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { keptExamples } from './kept-examples.ts';
import { keptRow } from './kept-rows.ts';
import {
  addDatasetOptions,
  collect,
  type DatasetOptions,
  datasetOfOptions,
  numberPair,
  positiveInteger,
  positiveNumber,
  wholeNumber,
} from './options.ts';
import { type ProgressDisplay, progressDisplay } from './progress.ts';
import { readInput, readJson } from './read-file.ts';
import { requireOther, requireWritable, writeWhole } from './write-file.ts';

interface EvaluateOptions extends DatasetOptions, EngineOption {
  readonly name?: readonly string[];
  readonly images?: number;
  readonly epsilon?: number;
  readonly sets: number;
  readonly seed: number;
  readonly range: [number, number];
  readonly attackImages: number;
  readonly attackEpsilon?: number;
  readonly layer?: readonly string[];
  readonly output?: string;
  readonly earlier?: readonly string[];
  readonly keep?: string;
  readonly failAbove?: number;
  readonly out?: string;
  readonly html?: string;
  readonly json?: boolean;
}

/** Images where nobody says how many. */
const imagesDefault = 1000;
/** Raised whenever a model would be measured otherwise than before: what was kept under another revision is not read. */
const revision = 1;

/** Makes the command; `onAbove` is called where a model's NCCR is above what `--fail-above` allows. */
export function modelEvaluateCommand(onAbove: () => void): Command {
  const command = new Command('evaluate')
    .description(
      'how robust models are: NCCR under sets of small noise, accuracies, layers and classes, side by side',
    )
    .argument('<model.onnx...>', 'models of the same inputs, not compiled')
    .option('--name <name>', 'name of a model in the report, in their order; by default its file’s', collect)
    .option(
      '--images <count>',
      'images drawn from the data set; 1000, or all where it has fewer',
      positiveInteger,
    )
    .option(
      '--epsilon <number>',
      'bound of the noise, in units of the input; by default 0.3 for grey images, 8/255 for colour',
      positiveNumber,
    )
    .option('--sets <count>', 'sets of noise', positiveInteger, 10)
    .option('--seed <number>', 'of the draw, the noise and the attack', positiveInteger, 1)
    .option('--range <low,high>', 'lowest and highest valid value of the input', numberPair, [0, 1])
    .option('--attack-images <count>', 'images that PGD attacks; 0 for none', wholeNumber, 200)
    .option(
      '--attack-epsilon <number>',
      'radius of PGD in the max norm; by default that of the noise',
      positiveNumber,
    )
    .option(
      '--layer <tensor>',
      'tensor that is read as a layer, may be repeated; by default activations',
      collect,
    )
    .option('--output <tensor>', 'the logits, where the models have several outputs')
    .option(
      '--earlier <report.json>',
      'an earlier report on the same images, for the trend; may be repeated',
      collect,
    )
    .option('--keep <folder>', 'keep each model there as it is done, so that a killed run goes on')
    .option(
      '--fail-above <nccr>',
      'exit status 1 where the relative NCCR of a model is above this',
      positiveNumber,
    )
    .option('--out <report.json>', 'write the report')
    .option('--html <file>', 'write the report as one page')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 a model is above --fail-above, 2 it was refused or failed, 70 a bug.',
    );
  return addEngineOption(addDatasetOptions(command, 'test')).action(
    async (paths: readonly string[], options: EvaluateOptions) => {
      const { models } = await run(paths, options);
      const above = models.filter(
        ({ relative }) => relative.mean > (options.failAbove ?? Number.POSITIVE_INFINITY),
      );
      if (above.length === 0) return;
      const names = above.map(({ name, relative }) => `${name} (${relative.mean.toPrecision(3)})`).join(', ');
      console.error(`nccr-guard: above the relative NCCR of ${options.failAbove}: ${names}`);
      onAbove();
    },
  );
}

async function run(paths: readonly string[], options: EvaluateOptions): Promise<RobustnessReport> {
  const { out, html, json = false } = options;
  if (options.sets < 2 || options.sets > robustnessSetsMax) {
    throw new GuardError('invalid_config', `--sets is from 2 to ${robustnessSetsMax}`);
  }
  await requireWritable(out, html);
  await requireOther([out, html], [...paths, ...(options.earlier ?? [])]);
  const models = await namedModels(paths, options);
  const earlier = await Promise.all(
    (options.earlier ?? []).map(async (path) => ({
      path,
      report: await readJson(path, robustnessReportSchema, 'malformed_request'),
    })),
  );
  const dataset = await drawnImages(options);
  const ground = groundOf(dataset, options);
  const before = earlierModels(earlier, ground);
  const display = progressDisplay({ quiet: json });
  const engine = await createEngine({ engine: options.engine });
  try {
    const measured = [];
    for (const model of models)
      measured.push(await measuredModel(model, dataset, { ground, options, engine, display }));
    display.stop();
    const report = robustnessReportSchema.parse({
      format: 'nccr-guard/robustness-report',
      format_version: 1,
      created_at: new Date().toISOString(),
      ...ground,
      device: engine.info.device,
      models: measured,
      earlier: before,
    } satisfies RobustnessReport);
    if (out !== undefined) await writeWhole(out, `${JSON.stringify(report)}\n`);
    if (html !== undefined) await writeWhole(html, await robustnessPage(report));
    console.log(json ? JSON.stringify(report) : robustnessText(report));
    return report;
  } finally {
    display.stop();
    await engine.close();
  }
}

/** One model, by way of the folder where one is named. */
async function measuredModel(
  model: NamedModel,
  dataset: Dataset,
  {
    ground,
    options: { layer: layers, output, keep },
    engine,
    display,
  }: { ground: Ground; options: EvaluateOptions; engine: Engine; display: ProgressDisplay },
) {
  const { noise, attack } = ground;
  const onDamaged = (detail: string) => console.error(`nccr-guard: ${detail}`);
  const runtime = engine.info.id;
  const { name, digest } = model;
  const from = {
    revision,
    attackRevision: attackRevisions['pgd-fixed'],
    ...ground,
    layers,
    output,
    runtime,
    name,
    digest,
  };
  return keptRow({ folder: keep, name, from, schema: modelRobustnessSchema, onDamaged }, async () => {
    const run =
      keep === undefined
        ? runAttack
        : await keptExamples({ folder: keep, modelDigest: digest, runtime, onDamaged });
    return modelRobustness(model, dataset, {
      engine,
      noise,
      attack,
      run,
      layers,
      output,
      onStage: display.onStage,
    });
  });
}

/** What the figures of all models stand on. */
type Ground = Pick<RobustnessReport, 'dataset' | 'noise' | 'attack'>;

function groundOf(dataset: Dataset, options: EvaluateOptions): Ground {
  const { sets, seed, range, attackImages } = options;
  const epsilon = options.epsilon ?? epsilonOf(dataset);
  const images = dataset.labels.length;
  const attacked = Math.min(attackImages, images);
  const attackEpsilon = options.attackEpsilon ?? epsilon;
  if (attacked === 0 && options.attackEpsilon !== undefined) {
    throw new GuardError('invalid_config', '--attack-epsilon changes nothing where no image is attacked');
  }
  return {
    dataset: { name: dataset.name, images, digest: datasetDigest(dataset) },
    noise: { family: 'gaussian', epsilon, sets, seed, range },
    attack:
      attacked === 0 ? null : { name: 'pgd', epsilon: attackEpsilon, steps: pgdSteps, images: attacked },
  };
}

/** The bound that the paper takes for images of this kind. */
function epsilonOf({ inputShape, name }: Dataset): number {
  if (inputShape.length === 3) return inputShape[0] === 1 ? 0.3 : 8 / 255;
  const detail = `${name} has inputs of shape [${inputShape.join(', ')}], which are no images: name the bound of the noise with --epsilon`;
  throw new GuardError('invalid_config', detail);
}

async function drawnImages(options: EvaluateOptions): Promise<Dataset> {
  const dataset = await datasetOfOptions(options);
  const count = options.images ?? Math.min(imagesDefault, dataset.labels.length);
  requireRows(dataset, count);
  const order = permutation(dataset.labels.length, seededRandom(options.seed));
  return selectDatasetRows(dataset, order.subarray(0, count));
}

async function namedModels(
  paths: readonly string[],
  { name: given = [] }: EvaluateOptions,
): Promise<NamedModel[]> {
  if (paths.length > robustnessModelsMax) {
    throw new GuardError(
      'invalid_config',
      `${paths.length} models: at most ${robustnessModelsMax} stand side by side`,
    );
  }
  if (given.length > 0 && given.length !== paths.length) {
    throw new GuardError('invalid_config', `${given.length} names for ${paths.length} models`);
  }
  const names = given.length > 0 ? given : paths.map((path) => basename(path, '.onnx'));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new GuardError('invalid_config', `two models are called ${twice}: name each of them with --name`);
  }
  return Promise.all(
    paths.map(async (path, index) => {
      const bytes = await readInput(path);
      return { name: names[index], bytes, digest: await sha256Digest(bytes) };
    }),
  );
}
