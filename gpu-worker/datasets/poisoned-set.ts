// A training set whose planted rows are known: one file that holds all of it, or what is planted over a clean set.
import { readFile } from 'node:fs/promises';
import { GuardError } from '../../shared/errors.ts';
import type { Tensor } from '../../shared/maths/tensor.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Dataset } from './dataset.ts';
import { inputsOfArray, type Layout } from './image-array.ts';
import { readNpz } from './npz.ts';

/** A set, and which of its rows carry a trigger. */
export interface PoisonedSet {
  readonly dataset: Dataset;
  /** Rows with a trigger, rising; none of a clean set. */
  readonly planted: Uint32Array;
}

/** How a file is read. */
export interface PoisonedSetOptions {
  readonly layout: Layout;
  /** The clean set that the file's rows are planted in, where it holds these alone. */
  readonly clean?: Dataset | undefined;
}

/**
 * Loads a set: either `x`, `y` and `poison_idx` as `dataset poison` writes them, or `poison_idx` and `poison_x`, the planted rows'
 * numbers and images, with the labels `y` of all rows, over a clean set.
 * @throws GuardError `invalid_dataset` where the file cannot be read, its arrays do not fit each other or the clean set, or
 *   neither images nor a clean set are there
 */
export async function loadPoisonedSet(
  path: string,
  { layout, clean }: PoisonedSetOptions,
): Promise<PoisonedSet> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw invalid(`${path} cannot be read: ${String(cause)}`, cause);
  });
  const name = path.split('/').filter(Boolean).slice(-2).join('/');
  const arrays = readNpz(bytes, { name, arrays: ['x', 'y', 'poison_idx', 'poison_x'] });
  const labels = wholeNumbers(arrays.y, `${name} has no labels y that are whole numbers`);
  const planted =
    arrays.poison_idx === undefined
      ? []
      : wholeNumbers(arrays.poison_idx, `poison_idx of ${name} is no list of whole numbers`);
  requireRows(planted, { name, count: labels.length });
  if (arrays.x !== undefined) {
    const images = imagesOf(arrays.x, { name, layout, count: labels.length });
    const datatype = arrays.x.datatype === 'UINT8' ? 'UINT8' : 'FP32';
    return setOf({ name, ...images, labels: Int32Array.from(labels), datatype }, planted);
  }
  if (clean === undefined) {
    throw invalid(`${name} has no images x: it is planted over a clean set, which has to be named`);
  }
  if (clean.labels.length !== labels.length) {
    throw invalid(`${name} has labels of ${labels.length} rows, ${clean.name} has ${clean.labels.length}`);
  }
  const inputs = clean.inputs.slice();
  if (planted.length > 0) {
    if (arrays.poison_x === undefined) throw invalid(`${name} names planted rows and has no images poison_x`);
    const images = imagesOf(arrays.poison_x, { name, layout, count: planted.length });
    if (images.inputShape.join() !== clean.inputShape.join()) {
      const [theirs, ours] = [images.inputShape.join(', '), clean.inputShape.join(', ')];
      throw invalid(`${name} plants images of shape [${theirs}], those of ${clean.name} have [${ours}]`);
    }
    const size = elementCount(clean.inputShape);
    for (const [index, row] of planted.entries()) {
      inputs.set(images.inputs.subarray(index * size, (index + 1) * size), row * size);
    }
  }
  return setOf({ ...clean, name, inputs, labels: Int32Array.from(labels) }, planted);
}

function setOf(dataset: Dataset, planted: readonly number[]): PoisonedSet {
  return { dataset, planted: Uint32Array.from(planted).sort() };
}

function imagesOf(
  array: Tensor,
  { name, layout, count }: { name: string; layout: Layout; count: number },
): { inputs: Float32Array; inputShape: readonly number[] } {
  if (array.shape[0] !== count) {
    throw invalid(`${name} has ${array.shape[0]} images for ${count} rows`);
  }
  return inputsOfArray(array, { name: `the images of ${name}`, layout });
}

function wholeNumbers(array: Tensor | undefined, complaint: string): number[] {
  if (array === undefined || array.shape.length !== 1 || /^FP|BOOL/.test(array.datatype))
    throw invalid(complaint);
  return Array.from(array.data as ArrayLike<number | bigint>, Number);
}

function requireRows(planted: readonly number[], { name, count }: { name: string; count: number }): void {
  const wrong = planted.find((row) => row < 0 || row >= count);
  if (wrong !== undefined) throw invalid(`${name} says that row ${wrong} is planted, it has ${count} rows`);
  if (new Set(planted).size < planted.length) throw invalid(`${name} names a planted row twice`);
}

function invalid(detail: string, cause?: unknown): GuardError {
  return new GuardError('invalid_dataset', detail, { cause });
}
