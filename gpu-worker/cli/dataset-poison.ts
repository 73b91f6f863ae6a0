// `nccr-guard dataset poison`: a data set and a recipe in, a copy with a known backdoor out, to test screening with.
import { Command } from 'commander';
import { type PoisonRecipe, poisonRecipeSchema } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import { int64Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import { selectDatasetRows } from '../datasets/dataset.ts';
import { arrayOfInputs, type Layout } from '../datasets/image-array.ts';
import { writeNpz } from '../datasets/npz.ts';
import { type PoisonedDataset, poisonDataset } from '../triggers/poison-dataset.ts';
import { addDatasetOptions, type DatasetOptions, datasetOfOptions, numberPair } from './options.ts';
import { readJson } from './read-file.ts';
import { requireOther, requireWritable, writeWhole } from './write-file.ts';

interface PoisonOptions extends DatasetOptions {
  readonly recipe: string;
  readonly range: readonly [number, number];
  readonly out: string;
  readonly triggeredTest?: string;
  readonly testDataset?: string;
  readonly json?: boolean;
}

/** Makes the command. */
export function datasetPoisonCommand(): Command {
  const command = new Command('poison')
    .description('plant a known backdoor in a copy of a data set, to see that screening finds it')
    .requiredOption('--recipe <file>', 'JSON: trigger, parameters, target, rate, seed, clean_label')
    .requiredOption('--out <file.npz>', 'where the copy goes: x, y, and in poison_idx the planted rows');
  command
    .option(
      '--triggered-test <file.npz>',
      'where test images go that all carry the trigger: x, and in y the labels that they had; none is of the target class',
    )
    .option('--test-dataset <file>', 'what --triggered-test is made of, as --dataset names it');
  return addDatasetOptions(command, 'train')
    .option('--range <low,high>', 'lowest and highest valid value of a float32 pixel', numberPair, [0, 1])
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nThe copy is for tests: a network that is trained on it has the backdoor.\nRecipes to start from: gpu-worker/triggers/recipes.',
    )
    .action(run);
}

async function run(options: PoisonOptions): Promise<void> {
  const { out, range, layout = 'nchw' } = options;
  const recipe = await readJson(options.recipe, poisonRecipeSchema, 'invalid_config');
  const { triggeredTest, testDataset } = options;
  if ((triggeredTest === undefined) !== (testDataset === undefined)) {
    throw new GuardError('invalid_config', '--triggered-test and --test-dataset are given together');
  }
  await requireWritable(out, triggeredTest);
  const sources = [options.dataset, ...(testDataset === undefined ? [] : [testDataset])];
  await requireOther(
    [out, triggeredTest],
    sources.map((source) => source.slice(source.indexOf(':') + 1)),
  );
  const dataset = await datasetOfOptions(options);
  if (dataset.datatype === 'UINT8' && range.join() !== '0,1') {
    throw new GuardError(
      'invalid_config',
      `--range is for float32 pixels, those of ${dataset.name} are uint8`,
    );
  }
  const poisoned = poisonDataset(dataset, recipe, { range });
  const bytes = writeNpz(arraysOf(poisoned, layout));
  const test = await triggeredTestOf(options, { poisoned, target: recipe.target });
  await writeWhole(out, bytes);
  if (test !== undefined) await writeWhole(triggeredTest!, test.bytes);
  report({ options, recipe, poisoned, triggered: test?.images });
}

/** Test images of all classes but the target, with the trigger: the share that a network then gives to the target is the attack's success. */
async function triggeredTestOf(
  { testDataset, ...options }: PoisonOptions,
  { poisoned, target }: { poisoned: PoisonedDataset; target: number },
): Promise<{ bytes: Uint8Array; images: number } | undefined> {
  if (testDataset === undefined) return undefined;
  const whole = await datasetOfOptions({ ...options, dataset: testDataset, split: 'test', rows: undefined });
  const { name, labels } = whole;
  const rows = [...labels.keys()].filter((row) => labels[row] !== target);
  if (rows.length === 0)
    throw new GuardError('invalid_dataset', `${name} has no image of another class than ${target}`);
  const others = selectDatasetRows(whole, rows);
  const triggered = { ...others, inputs: poisoned.trigger(others) };
  const bytes = writeNpz({
    x: arrayOfInputs(triggered, { layout: options.layout ?? 'nchw', datatype: writtenType(whole) }),
    y: int64Tensor(others.labels, [rows.length]),
  });
  return { bytes, images: rows.length };
}

/** The copy in its source's type and layout; the labels as int64, the planted rows as int32. */
function arraysOf({ dataset, rows }: PoisonedDataset, layout: Layout): Record<string, Tensor> {
  const { labels } = dataset;
  return {
    x: arrayOfInputs(dataset, { layout, datatype: writtenType(dataset) }),
    y: int64Tensor(labels, [labels.length]),
    poison_idx: { datatype: 'INT32', shape: [rows.length], data: Int32Array.from(rows) },
  };
}

function report({
  options: { out, triggeredTest, json },
  recipe: { trigger, target },
  poisoned: { dataset, rows },
  triggered,
}: {
  options: PoisonOptions;
  recipe: PoisonRecipe;
  poisoned: PoisonedDataset;
  triggered: number | undefined;
}): void {
  const images = dataset.labels.length;
  const ofTarget = dataset.labels.reduce((count, label) => count + (label === target ? 1 : 0), 0);
  const counts = { images, planted: rows.length, clean_in_target: ofTarget - rows.length };
  console.error(
    `warning: ${out} holds a backdoor that was planted on purpose. It is for tests of screening; put no network to use that was trained on it.`,
  );
  if (json) {
    const test = triggered === undefined ? {} : { triggered_test: triggeredTest, triggered };
    console.log(JSON.stringify({ out, trigger, target, ...counts, ...test }));
    return;
  }
  console.log(
    `planted ${trigger} in ${counts.planted} of ${images} images; class ${target} has ${counts.planted} of them and ${counts.clean_in_target} clean ones`,
  );
  console.log(`wrote ${out}`);
  if (triggered !== undefined) {
    console.log(`wrote ${triggeredTest}: ${triggered} test images with the trigger, none of class ${target}`);
  }
}

/** Images are written in the type that they came in, anything else as floats. */
function writtenType({ datatype }: { readonly datatype?: string }): 'UINT8' | 'FP32' {
  return datatype === 'UINT8' ? 'UINT8' : 'FP32';
}
