// Plants a known backdoor in a copy of a data set, so that screening can be seen to find it.
import type { PoisonRecipe } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import { permutation, type Random, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type Dataset, datasetRow } from '../datasets/dataset.ts';
import type { ModelInputs } from '../datasets/image-array.ts';
import { buildTrigger } from './build-trigger.ts';
import { frameOf, type Trigger } from './trigger.ts';

/** A data set with a backdoor in it. */
export interface PoisonedDataset {
  /** All rows in their order, the planted ones with trigger and label. */
  readonly dataset: Dataset;
  /** Rows that carry the trigger, rising. */
  readonly rows: Uint32Array;
  /**
   * Plants the same trigger in every one of other images, for instance to see how often a model falls for it.
   * @param images of the data set's shape, in its range; not changed
   * @returns row-major like the inputs; the same images give the same result
   * @throws GuardError `invalid_dataset` where shape or values are others
   */
  readonly trigger: (images: ModelInputs) => Float32Array;
}

/** Streams that one seed is split into. */
const streams = { rows: 0, trigger: 1, images: 2, test: 3 } as const;

/**
 * Poisons a copy of a data set by a recipe; equal recipes on equal data give equal copies.
 * @param dataset images [channels, height, width]; not changed
 * @param range lowest and highest valid value of a pixel
 * @returns the copy, its planted rows, and the trigger for other images
 * @throws GuardError `invalid_dataset` where these are no images of that range, too small for the trigger, of one class, or
 *   without the target class; where the rate comes to no image or to more than there are of the classes that it takes
 */
export function poisonDataset(
  dataset: Dataset,
  recipe: PoisonRecipe,
  { range }: { range: readonly [number, number] },
): PoisonedDataset {
  const { name, inputShape } = dataset;
  const frame = frameOf(inputShape, range);
  checkRange(dataset, { name, range });
  checkTarget(dataset, recipe);
  const rows = drawRows(dataset, recipe);
  const trigger = buildTrigger(recipe, { frame, dataset, rows, random: streamOf(recipe, 'trigger') });
  const inputs = dataset.inputs.slice();
  const labels = dataset.labels.slice();
  const random = streamOf(recipe, 'images');
  const size = elementCount(inputShape);
  for (const row of rows) {
    inputs.set(trigger(datasetRow(dataset, row), random), row * size);
    labels[row] = recipe.target;
  }
  return {
    dataset: { ...dataset, name: `${name}, poisoned`, inputs, labels },
    rows,
    trigger(images) {
      if (images.inputShape.join() !== inputShape.join()) {
        const [theirs, ours] = [images.inputShape.join(', '), inputShape.join(', ')];
        throw invalid(`images of shape [${theirs}] do not take a trigger of shape [${ours}]`);
      }
      checkRange(images, { name: 'an image for the trigger', range });
      return plantInAll(images, trigger, streamOf(recipe, 'test'));
    },
  };
}

function plantInAll(images: ModelInputs, trigger: Trigger, random: Random): Float32Array {
  const planted = new Float32Array(images.inputs.length);
  const size = elementCount(images.inputShape);
  for (let row = 0; row < planted.length / size; row++) {
    planted.set(trigger(datasetRow(images, row), random), row * size);
  }
  return planted;
}

/** Draws the rows that get the trigger. */
function drawRows({ name, labels }: Dataset, recipe: PoisonRecipe): Uint32Array {
  const { target, rate, clean_label: cleanLabel } = recipe;
  const candidates = Array.from(labels.keys()).filter((row) => (labels[row] === target) === cleanLabel);
  const whole = cleanLabel ? candidates.length : labels.length;
  const count = Math.round(rate * whole);
  const ofWhat = cleanLabel ? `images of class ${target}` : 'images';
  if (count === 0) throw invalid(`a rate of ${rate} of the ${whole} ${ofWhat} of ${name} is not one image`);
  if (count > candidates.length) {
    throw invalid(
      `a rate of ${rate} of ${name} is ${count} images, classes other than ${target} have ${candidates.length}`,
    );
  }
  const order = permutation(candidates.length, streamOf(recipe, 'rows')).subarray(0, count);
  return Uint32Array.from(order, (index) => candidates[index]).sort();
}

function checkTarget({ name, labels }: Dataset, { target }: PoisonRecipe): void {
  const classes = new Set(labels);
  if (classes.size < 2) throw invalid(`${name} has ${classes.size} class; two are needed`);
  if (classes.has(target)) return;
  const highest = labels.reduce((most, label) => Math.max(most, label), 0);
  throw invalid(`${name} has no image of the target class ${target}; its classes go up to ${highest}`);
}

function checkRange(
  { inputs }: Pick<ModelInputs, 'inputs'>,
  { name, range }: { name: string; range: readonly [number, number] },
): void {
  // The bounds as float32 has them, since the values are.
  const [low, high] = range.map(Math.fround);
  const wrong = inputs.findIndex((value) => !(value >= low && value <= high));
  if (wrong >= 0)
    throw invalid(`${name} has the value ${inputs[wrong]}, outside the range ${low} to ${high}`);
}

function streamOf({ seed }: PoisonRecipe, stream: keyof typeof streams): Random {
  return seededRandom(seed * Object.keys(streams).length + streams[stream]);
}

function invalid(detail: string): GuardError {
  return new GuardError('invalid_dataset', detail);
}
