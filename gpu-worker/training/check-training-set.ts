// What a data set must be before anything is learnt from it.
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { checkDataset, type Dataset } from '../datasets/dataset.ts';

/** More classes than any data set here has: a label beyond is a mistake, not a class. */
const classesMax = 1000;

/**
 * Number of classes that the labels say: one more than the largest.
 * @throws GuardError `invalid_dataset` where that is more than 1000
 */
export function classesOf({ name, labels }: Pick<Dataset, 'name' | 'labels'>): number {
  const largest = labels.reduce((most, label) => Math.max(most, label), 0);
  if (largest < classesMax) return largest + 1;
  throw new GuardError(
    'invalid_dataset',
    `${name} has label ${largest}; at most ${classesMax} classes are learnt`,
  );
}

/**
 * Refuses a data set that a network cannot learn from.
 * @throws GuardError `invalid_dataset` where it is empty, has one class, a class that the network has not, another shape or
 *   values that are no numbers
 */
export function checkTrainingSet(
  dataset: Dataset,
  expected: { readonly inputShape: readonly number[]; readonly classes: number },
): void {
  if (dataset.labels.length === 0) throw new GuardError('invalid_dataset', `${dataset.name} is empty`);
  checkDataset(dataset, expected);
}

/**
 * Mean and standard deviation of each channel.
 * @returns [channels] each; the deviation of a channel that never changes is 1
 */
export function channelMoments({ inputs, inputShape }: Pick<Dataset, 'inputs' | 'inputShape'>): {
  mean: number[];
  deviation: number[];
} {
  const [channels, ...plane] = inputShape;
  const size = elementCount(plane);
  const count = inputs.length / channels;
  const mean = new Float64Array(channels);
  const square = new Float64Array(channels);
  for (let index = 0; index < inputs.length; index++) {
    const channel = Math.floor(index / size) % channels;
    mean[channel] += inputs[index] / count;
    square[channel] += inputs[index] ** 2 / count;
  }
  const deviation = Array.from(square, (value, channel) =>
    Math.sqrt(Math.max(0, value - mean[channel] ** 2)),
  );
  return { mean: [...mean], deviation: deviation.map((value) => (value > 1e-6 ? value : 1)) };
}
