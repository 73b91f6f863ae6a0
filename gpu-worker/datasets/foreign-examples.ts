// Adversarial examples that other tools made or read: Foolbox, ART and AutoAttack give NumPy arrays.
import { readFile } from 'node:fs/promises';
import { GuardError } from '../../shared/errors.ts';
import { elementCount, int64Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import type { Dataset } from './dataset.ts';
import { arrayOfInputs, inputsOfArray, type Layout, type ModelInputs } from './image-array.ts';
import { parseNpy } from './npy.ts';
import { npzArrayNames, readNpz, writeNpz } from './npz.ts';

/** How the arrays of an archive are called. */
export interface ArrayNames {
  readonly inputs: string;
  readonly labels: string;
  /** 1 where the attack succeeded. */
  readonly success: string;
}

/** What our own files call them. */
export const defaultArrayNames: ArrayNames = { inputs: 'x', labels: 'y', success: 'ok' };

/** Which arrays to read and what they must fit. */
export interface ForeignOptions {
  readonly layout: Layout;
  /** Of one input of the model, channels first. */
  readonly inputShape: readonly number[];
  /** Lowest and highest valid value of an input. */
  readonly range: readonly [number, number];
  readonly arrays?: ArrayNames;
}

/** Examples as a file holds them, without those that it says failed. */
export interface ForeignExamples extends ModelInputs {
  readonly name: string;
  /** [rows]: the true labels; undefined where the file has none. Whether the model is wrong is for the model to say. */
  readonly labels: Int32Array | undefined;
  /** [rows]: the row of the file that each example came from. */
  readonly rows: Uint32Array;
}

/** A value that an attack's rounding may leave outside the valid range, as a share of the range. */
const rangeTolerance = 1e-5;

/**
 * Loads adversarial examples: of a `.npy` file its array, of a `.npz` file the inputs, and labels and success where it
 * has them.
 * @throws GuardError `invalid_dataset` where the file or an array is missing or unreadable, has another shape than the
 *   model reads, holds a value that is not finite or not in the range, or says that no example succeeded
 */
export async function loadForeignExamples(path: string, options: ForeignOptions): Promise<ForeignExamples> {
  const { arrays = defaultArrayNames, layout, inputShape, range } = options;
  const file = await readArrays(path, Object.values(arrays));
  const array = requireArray(file, arrays.inputs);
  const { name } = file;
  const given = inputsOfArray(array, { name: `array ${arrays.inputs} of ${name}`, layout });
  requireShape(given.inputShape, { name, array, layout, inputShape });
  const valid = intoRange(given.inputs, { name, range });
  const count = array.shape[0];
  const labels = wholeNumbers(file, arrays.labels, count);
  const success = wholeNumbers(file, arrays.success, count);
  const rows = Uint32Array.from({ length: count }, (_, row) => row).filter((row) => success?.[row] !== 0);
  if (rows.length === 0) throw invalid(`${name} says that none of its ${count} examples succeeded`);
  const size = elementCount(inputShape);
  const inputs = new Float32Array(rows.length * size);
  for (const [index, row] of rows.entries()) {
    inputs.set(valid.subarray(row * size, (row + 1) * size), index * size);
  }
  return {
    name,
    inputs,
    inputShape,
    labels: labels && Int32Array.from(rows, (row) => labels[row]),
    rows,
  };
}

/**
 * Loads a labelled data set of a `.npz` file.
 * @returns inputs [count, ...inputShape], channels first, uint8 scaled to [0, 1]; named after the file
 * @throws GuardError `invalid_dataset`
 */
export async function loadNpzDataset(
  path: string,
  { layout, arrays = defaultArrayNames }: { layout: Layout; arrays?: Pick<ArrayNames, 'inputs' | 'labels'> },
): Promise<Dataset> {
  const file = await readArrays(path, [arrays.inputs, arrays.labels]);
  const array = requireArray(file, arrays.inputs);
  requireArray(file, arrays.labels);
  const { inputs, inputShape } = inputsOfArray(array, {
    name: `array ${arrays.inputs} of ${file.name}`,
    layout,
  });
  const labels = wholeNumbers(file, arrays.labels, array.shape[0])!;
  const datatype = (['UINT8', 'INT16'] as const).find((type) => type === array.datatype) ?? 'FP32';
  return { name: file.name, inputs, inputShape, labels, datatype };
}

/** Examples to be written. */
export interface WrittenExamples extends ModelInputs {
  readonly labels?: ArrayLike<number>;
  /** [rows]: 1 where the attack succeeded. */
  readonly success?: Uint8Array;
}

/**
 * Writes examples as a `.npz` file with the arrays `x`, `y` (int64) and `ok` (bool), as far as they are given.
 * @returns the file's bytes
 */
export function writeForeignExamples(
  { labels, success, ...inputs }: WrittenExamples,
  format: { layout: Layout; datatype: 'FP32' | 'UINT8' },
): Uint8Array<ArrayBuffer> {
  const arrays: Record<string, Tensor> = { x: arrayOfInputs(inputs, format) };
  if (labels !== undefined) arrays.y = int64Tensor(labels, [labels.length]);
  if (success !== undefined) arrays.ok = { datatype: 'BOOL', shape: [success.length], data: success };
  return writeNpz(arrays);
}

/** Arrays of a file with the names of all that it has. */
interface ArrayFile {
  readonly name: string;
  readonly arrays: Partial<Record<string, Tensor>>;
  readonly present: readonly string[];
}

async function readArrays(path: string, wanted: readonly string[]): Promise<ArrayFile> {
  const name = path.split('/').filter(Boolean).slice(-2).join('/');
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new GuardError('invalid_dataset', `${path} cannot be read: ${String(cause)}`, { cause });
  });
  if (path.endsWith('.npy')) {
    return { name, arrays: { [wanted[0]]: parseNpy(bytes, name) }, present: [wanted[0]] };
  }
  return {
    name,
    arrays: readNpz(bytes, { name, arrays: wanted }),
    present: npzArrayNames(bytes, name),
  };
}

function requireArray({ name, arrays, present }: ArrayFile, wanted: string): Tensor {
  const array = arrays[wanted];
  if (array === undefined) {
    throw invalid(`${name} has no array ${wanted}; it has ${present.join(', ') || 'none'}`);
  }
  return array;
}

function requireShape(
  found: readonly number[],
  said: { name: string; array: Tensor; layout: Layout; inputShape: readonly number[] },
): void {
  const { name, array, layout, inputShape } = said;
  if (found.join() === inputShape.join()) return;
  const shapes = `${name} has inputs of shape [${found.join(', ')}] (an array [${array.shape.join(', ')}] read as ${layout.toUpperCase()})`;
  throw invalid(`${shapes}, the model reads [${inputShape.join(', ')}]`);
}

/** Values in the range, those that rounding left just outside it on its edge. */
function intoRange(
  inputs: Float32Array,
  { name, range: [low, high] }: { name: string; range: readonly [number, number] },
): Float32Array {
  const slack = rangeTolerance * (high - low);
  const wrong = inputs.find((value) => value < low - slack || value > high + slack);
  if (wrong !== undefined) {
    throw invalid(`${name} holds the value ${wrong}, the model reads values from ${low} to ${high}`);
  }
  return inputs.map((value) => Math.min(high, Math.max(low, value)));
}

/** An optional array [rows] of whole numbers, such as labels. */
function wholeNumbers({ name, arrays }: ArrayFile, wanted: string, rows: number): Int32Array | undefined {
  const array = arrays[wanted];
  if (array === undefined) return undefined;
  const { datatype, shape, data } = array;
  if (datatype === 'FP32' || datatype === 'FP64') {
    throw invalid(`array ${wanted} of ${name} holds ${datatype}, not whole numbers`);
  }
  if (shape.length !== 1 || shape[0] !== rows) {
    throw invalid(`array ${wanted} of ${name} has shape [${shape.join(', ')}], its inputs have ${rows} rows`);
  }
  const numbers = Array.from(data as ArrayLike<number | bigint>, Number);
  const wrong = numbers.find((value) => Math.abs(value) > 0x7fffffff);
  if (wrong !== undefined) throw invalid(`array ${wanted} of ${name} holds ${wrong}: too large for a label`);
  return Int32Array.from(numbers);
}

function invalid(detail: string): GuardError {
  return new GuardError('invalid_dataset', detail);
}
