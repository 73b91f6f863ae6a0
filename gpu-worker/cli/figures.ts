// `nccr-guard figures`: the paper's Figures 1 and 3 to 5 for a model and a data set, as SVG files and as one page.
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { type PoisonRecipe, poisonRecipeSchema } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import { robustnessSetsMax } from '../../shared/limits.ts';
import { auroc } from '../../shared/maths/auroc.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import { type AttackName, attackNames } from '../attacks/attack-by-name.ts';
import { checkDataset, type Dataset, requireRows, selectDatasetRows } from '../datasets/dataset.ts';
import { activationFigure, scatterFigure, seriesFigure } from '../evaluate/figure-charts.ts';
import {
  activationRows,
  findExamples,
  heatNeuronsMax,
  type NccrSeries,
  nccrSeries,
  triggeredImages,
} from '../evaluate/figure-samples.ts';
import { type DrawnFigure, figuresPage, type Separation } from '../evaluate/figures-page.ts';
import type { ReadableModel } from '../evaluate/measure-nccr.ts';
import { layerTensors } from '../onnx/layer-tensors.ts';
import { tappedModel } from '../onnx/tapped-model.ts';
import { type DetectorWork, openDetectorWork } from './detector-work.ts';
import { addEngineOption, type EngineOption } from './engine-option.ts';
import { addExamplesOption } from './kept-examples.ts';
import {
  addDatasetOptions,
  type DatasetOptions,
  datasetOfOptions,
  oneOf,
  positiveInteger,
  positiveNumber,
  several,
} from './options.ts';
import { progressDisplay } from './progress.ts';
import { readInput, readJson } from './read-file.ts';
import { requireOther, requireWritable, writeWhole } from './write-file.ts';

interface FigureOptions extends DatasetOptions, EngineOption {
  readonly out: string;
  readonly html?: string;
  readonly epsilon: number;
  readonly images: number;
  readonly sets: number;
  readonly seed: number;
  readonly attack?: readonly AttackName[];
  readonly layer?: string;
  readonly recipe?: string;
  readonly examples?: string;
  readonly json?: boolean;
}

/** Everything that figures are drawn from. */
interface Drawing {
  readonly work: DetectorWork;
  readonly readable: ReadableModel;
  readonly layer: string;
  readonly dataset: Dataset;
  readonly options: FigureOptions;
  readonly recipe: PoisonRecipe | undefined;
  readonly onStage: (stage: string, share: number) => void;
}

/** Values of an input; every data set here has them. */
const range = [0, 1] as const;
/** Bounds of Figures 4 and 5. */
const poisonEpsilons = [8 / 255, 256 / 255];
const attacksDefault: readonly AttackName[] = ['fgsm', 'pgd', 'pgd-fixed'];

/** Makes the command. */
export function figuresCommand(): Command {
  const command = new Command('figures')
    .description('draw the paper’s Figures 1 and 3, and with --recipe 4 and 5, for a model and a data set')
    .argument('<model.onnx>', 'the model, not compiled; with --recipe one that has the backdoor')
    .requiredOption('--out <folder>', 'where figure-1.svg and on go')
    .option('--html <file>', 'write the figures as one page')
    .requiredOption(
      '--epsilon <number>',
      'bound of the noise, and radius of attacks that end in -fixed',
      positiveNumber,
    )
    .option('--images <count>', 'images drawn from the data set', positiveInteger, 200)
    .option('--sets <count>', 'sets of noise', positiveInteger, 10)
    .option('--seed <number>', 'of the draw, the noise and the attacks', positiveInteger, 1)
    .option(
      '--attack <attack>',
      `attack of Figure 3, may be repeated: ${attackNames.join(', ')}; by default ${attacksDefault.join(', ')}`,
      several(oneOf(attackNames)),
    )
    .option('--layer <tensor>', 'layer of Figure 1; the last activation by default')
    .option('--recipe <file.json>', 'trigger of Figures 4 and 5; see gpu-worker/triggers/recipes')
    .option('--json', 'print what the figures show as JSON');
  return addEngineOption(addExamplesOption(addDatasetOptions(command, 'test'))).action(run);
}

async function run(path: string, options: FigureOptions): Promise<void> {
  const { out, html, sets, seed, epsilon, json = false } = options;
  if (sets < 2 || sets > robustnessSetsMax) {
    throw new GuardError('invalid_config', `--sets is from 2 to ${robustnessSetsMax}`);
  }
  const files = ['1', '3', '4', '5'].map((figure) => join(out, `figure-${figure}.svg`));
  await requireWritable(html, ...files);
  await requireOther([html], [path]);
  const model = await readInput(path);
  const recipe =
    options.recipe === undefined
      ? undefined
      : await readJson(options.recipe, poisonRecipeSchema, 'invalid_config');
  const layer = options.layer ?? layerTensors(model, 1)[0];
  if (layer === undefined) {
    throw new GuardError('invalid_model', 'the model has no activation function: name a tensor with --layer');
  }
  const whole = await datasetOfOptions(options);
  requireRows(whole, options.images);
  const order = permutation(whole.labels.length, seededRandom(seed)).subarray(0, options.images);
  const dataset = selectDatasetRows(whole, order);
  const display = progressDisplay({ quiet: json });
  const plan = extractionPlanSchema.parse({
    input_range: range,
    noise: [{ family: 'gaussian', epsilon, rows: 1, copies: 1 }],
    transforms: [],
    taps: [],
  });
  const name = basename(path);
  const work = await openDetectorWork(model, {
    name,
    plan,
    seed,
    examples: options.examples,
    engine: options.engine,
  });
  try {
    checkDataset(dataset, work.target);
    const { bytes, widths } = await tappedModel(model, { engine: work.engine, tensors: [layer] });
    const readable = { model: await work.engine.load(bytes), classes: work.target.classes, widths };
    const drawing = { work, readable, layer, dataset, options, recipe, onStage: display.onStage };
    const { figures, separations } = await draw(drawing);
    display.stop();
    for (const { id, svg } of figures) await writeWhole(join(out, `${id}.svg`), svg);
    if (html !== undefined) {
      await writeWhole(
        html,
        await figuresPage({ model: name, dataset: dataset.name }, { figures, separations }),
      );
    }
    console.log(json ? JSON.stringify(separations) : figuresText(figures, separations));
  } finally {
    display.stop();
    await work.close();
  }
}

interface Drawn {
  readonly figures: readonly DrawnFigure[];
  readonly separations: readonly Separation[];
}

async function draw(drawing: Drawing): Promise<Drawn> {
  const adversarial = await adversarialFigures(drawing);
  const poisoned = await poisonFigures(drawing);
  return {
    figures: [...adversarial.figures, ...poisoned.figures],
    separations: [...adversarial.separations, ...poisoned.separations],
  };
}

/** Figures 1 and 3. */
async function adversarialFigures({
  work,
  readable,
  layer,
  dataset,
  options,
  onStage,
}: Drawing): Promise<Drawn> {
  const { epsilon, sets, seed, attack: attacks = attacksDefault } = options;
  const noise = { epsilon, range, sets, seed };
  const found = await findExamples(work, dataset, { attacks, epsilon, seed, onStage });
  const clean = await nccrSeries(readable, dataset, { name: 'clean', noise, onStage });
  const series: NccrSeries[] = [clean];
  for (const { name, examples } of found) {
    series.push(await nccrSeries(readable, examples, { name, noise, onStage }));
  }
  const rows = await activationRows(readable, dataset, { found: found[0], noise });
  const most = Math.min(readable.widths[0], heatNeuronsMax);
  return {
    figures: [
      {
        id: 'figure-1',
        title: 'Figure 1: activations',
        caption: `The first ${most} of ${readable.widths[0]} neurons of ${layer} for images that ${found[0].name} turned: as they are, with noise of at most ${epsilon.toPrecision(3)}, and as the attack left them. “5 as 3” is an image of class 5 that the model calls 3.`,
        svg: await activationFigure(rows, layer),
      },
      {
        id: 'figure-3',
        title: 'Figure 3: NCCR of clean and of adversarial inputs',
        caption: `Raw l2 NCCR of the logits over ${sets} sets of noise of at most ${epsilon.toPrecision(3)}: ${clean.values.length} clean images, and the examples that succeed of each attack. The box is the middle half, the diamond the mean.`,
        svg: await seriesFigure(series, 'NCCR (l2 of the change of the logits)'),
      },
    ],
    separations: separationsOf(series, epsilon),
  };
}

/** Figures 4 and 5, where a trigger is given. */
async function poisonFigures({ work, readable, dataset, options, recipe, onStage }: Drawing): Promise<Drawn> {
  if (recipe === undefined) return { figures: [], separations: [] };
  const { sets, seed } = options;
  const { clean, poisoned, success } = await triggeredImages(work.target, dataset, recipe);
  const figures: DrawnFigure[] = [];
  const separations: Separation[] = [];
  for (const [index, epsilon] of poisonEpsilons.entries()) {
    const noise = { epsilon, range, sets, seed };
    const series = [
      await nccrSeries(readable, clean, { name: 'clean', noise, onStage }),
      await nccrSeries(readable, poisoned, { name: `with the trigger (${recipe.trigger})`, noise, onStage }),
    ];
    const of255 = Math.round(255 * epsilon);
    figures.push({
      id: `figure-${4 + index}`,
      title: `Figure ${4 + index}: clean and poisoned images under noise of ${of255} of 255`,
      caption: `Raw l2 NCCR by image, ${clean.labels.length} images without and with the trigger; lines are the means. The model gives ${(100 * success).toFixed(1)} % of the images with the trigger the label ${recipe.target} that the backdoor leads to${success < 0.5 ? ': it does not have this backdoor' : ''}.`,
      svg: await scatterFigure(series, 'NCCR (l2 of the change of the logits)'),
    });
    separations.push(...separationsOf(series, epsilon));
  }
  return { figures, separations };
}

function separationsOf([clean, ...others]: readonly NccrSeries[], epsilon: number): Separation[] {
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return others.map(({ name, values }) => ({
    name,
    inputs: values.length,
    epsilon,
    mean: mean(values),
    cleanMean: mean(clean.values),
    auroc: auroc(values, clean.values),
  }));
}

function figuresText(figures: readonly DrawnFigure[], separations: readonly Separation[]): string {
  return [
    ...separations.map(
      ({ name, inputs, epsilon, mean, cleanMean, auroc: area }) =>
        `${name}: mean NCCR ${mean.toPrecision(3)} of ${inputs}, clean ${cleanMean.toPrecision(3)}, at ${epsilon.toPrecision(3)}; AUROC ${area.toFixed(3)}`,
    ),
    `drew ${figures.map(({ id }) => `${id}.svg`).join(', ')}`,
  ].join('\n');
}
