// A labelled set of inputs in memory, whatever file it came from.
import { createHash } from 'node:crypto';
import { assert } from '../../shared/assert.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';

/** Inputs with their labels. */
export interface Dataset {
  readonly name: string;
  /** Row-major [count, ...inputShape], values as the model reads them. */
  readonly inputs: Float32Array;
  readonly inputShape: readonly number[];
  /** [count], each in 0..classes-1. */
  readonly labels: Int32Array;
  /** Element type of the file that it came from; absent where it came from none. Samples of a recording are `INT16`. */
  readonly datatype?: 'FP32' | 'UINT8' | 'INT16';
  /** [count]: which recording each window was cut from; absent where the rows belong to none. */
  readonly utterances?: Int32Array;
}

/** The elements of row `index`, not copied. */
export function datasetRow(
  { inputs, inputShape }: Pick<Dataset, 'inputs' | 'inputShape'>,
  index: number,
): Float32Array {
  const size = elementCount(inputShape);
  return inputs.subarray(index * size, (index + 1) * size);
}

/**
 * Picks rows, copying them in the order given.
 * @param rows row numbers, each under the count
 */
export function selectDatasetRows(dataset: Dataset, rows: ArrayLike<number>): Dataset {
  const size = elementCount(dataset.inputShape);
  const inputs = new Float32Array(rows.length * size);
  const labels = new Int32Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    assert(rows[index] < dataset.labels.length, `row ${rows[index]} of ${dataset.labels.length}`);
    inputs.set(datasetRow(dataset, rows[index]), index * size);
    labels[index] = dataset.labels[rows[index]];
  }
  const { utterances } = dataset;
  return {
    ...dataset,
    inputs,
    labels,
    ...(utterances && { utterances: Int32Array.from(rows, (row) => utterances[row]) }),
  };
}

/** SHA-256 over the inputs and labels of a data set: shows which rows something was made from. */
export function datasetDigest({ inputs, labels }: Dataset): string {
  const hash = createHash('sha256');
  hash.update(new Uint8Array(inputs.buffer, inputs.byteOffset, inputs.byteLength));
  hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
  return `sha256:${hash.digest('hex')}`;
}

/**
 * Refuses a data set that does not fit a model or that cannot calibrate anything.
 * @throws GuardError `invalid_dataset`
 */
export function checkDataset(
  dataset: Dataset,
  expected: { inputShape: readonly number[]; classes: number },
): void {
  if (dataset.inputShape.join() !== expected.inputShape.join()) {
    const [theirs, ours] = [dataset.inputShape.join(', '), expected.inputShape.join(', ')];
    throw new GuardError(
      'invalid_dataset',
      `${dataset.name} has inputs of shape [${theirs}], the model reads [${ours}]`,
    );
  }
  const labels = new Set(dataset.labels);
  if (labels.size < 2)
    throw new GuardError('invalid_dataset', `${dataset.name} has ${labels.size} class; two are needed`);
  for (const label of labels) {
    if (label < 0 || label >= expected.classes) {
      throw new GuardError(
        'invalid_dataset',
        `${dataset.name} has label ${label}, the model has ${expected.classes} classes`,
      );
    }
  }
  const wrong = dataset.inputs.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new GuardError('invalid_dataset', `${dataset.name} has a value that is not finite at ${wrong}`);
}

/**
 * Refuses to draw more rows than there are.
 * @throws GuardError `invalid_dataset`
 */
export function requireRows({ name, labels }: Dataset, images: number): void {
  if (images <= labels.length) return;
  throw new GuardError('invalid_dataset', `${images} images are asked for, ${name} has ${labels.length}`);
}
