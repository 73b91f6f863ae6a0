// `nccr-guard dataset poison`: a data set and a recipe in, a copy with a known backdoor out, to test screening with.
import { Command } from 'commander';
import { type PoisonRecipe, poisonRecipeSchema } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import { int64Tensor, type Tensor } from '../../shared/maths/tensor.ts';
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
  readonly json?: boolean;
}

/** Makes the command. */
export function datasetPoisonCommand(): Command {
  const command = new Command('poison')
    .description('plant a known backdoor in a copy of a data set, to see that screening finds it')
    .requiredOption('--recipe <file>', 'JSON: trigger, parameters, target, rate, seed, clean_label')
    .requiredOption('--out <file.npz>', 'where the copy goes: x, y, and in poison_idx the planted rows');
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
  await requireWritable(out);
  await requireOther([out], [options.dataset.slice(options.dataset.indexOf(':') + 1)]);
  const dataset = await datasetOfOptions(options);
  if (dataset.datatype === 'UINT8' && range.join() !== '0,1') {
    throw new GuardError(
      'invalid_config',
      `--range is for float32 pixels, those of ${dataset.name} are uint8`,
    );
  }
  const poisoned = poisonDataset(dataset, recipe, { range });
  const bytes = writeNpz(arraysOf(poisoned, layout));
  await writeWhole(out, bytes);
  report({ options, recipe, poisoned });
}

/** The copy in its source's type and layout; the labels as int64, the planted rows as int32. */
function arraysOf({ dataset, rows }: PoisonedDataset, layout: Layout): Record<string, Tensor> {
  const { labels, datatype = 'FP32' } = dataset;
  return {
    x: arrayOfInputs(dataset, { layout, datatype }),
    y: int64Tensor(labels, [labels.length]),
    poison_idx: { datatype: 'INT32', shape: [rows.length], data: Int32Array.from(rows) },
  };
}

function report({
  options: { out, json },
  recipe: { trigger, target },
  poisoned: { dataset, rows },
}: {
  options: PoisonOptions;
  recipe: PoisonRecipe;
  poisoned: PoisonedDataset;
}): void {
  const images = dataset.labels.length;
  const ofTarget = dataset.labels.reduce((count, label) => count + (label === target ? 1 : 0), 0);
  const counts = { images, planted: rows.length, clean_in_target: ofTarget - rows.length };
  console.error(
    `warning: ${out} holds a backdoor that was planted on purpose. It is for tests of screening; put no network to use that was trained on it.`,
  );
  if (json) {
    console.log(JSON.stringify({ out, trigger, target, ...counts }));
    return;
  }
  console.log(
    `planted ${trigger} in ${counts.planted} of ${images} images; class ${target} has ${counts.planted} of them and ${counts.clean_in_target} clean ones`,
  );
  console.log(`wrote ${out}`);
}
