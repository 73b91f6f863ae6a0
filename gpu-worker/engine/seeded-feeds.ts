// Inputs made up for a model, so that two engines can be compared on it.
import { GuardError } from '../../shared/errors.ts';
import { type Random, seededRandom } from '../../shared/maths/random.ts';
import { elementArrays, elementCount, type Tensor, type TensorData } from '../../shared/maths/tensor.ts';
import type { LoadOptions, TensorSpec } from './engine.ts';

/** What is made up. */
export interface SeededFeedsOptions {
  /** Extent of each free first dimension. */
  readonly rows: number;
  readonly seed: number;
  /** Lowest and highest value of inputs by name; see `LoadOptions`. */
  readonly ranges?: LoadOptions['ranges'] | undefined;
}

/** Weights that are fed as inputs: as small as a network's, or their products overflow. */
const weightRange = [-0.05, 0.05] as const;

/**
 * Makes one tensor an input, uniform over its range. Inputs without a range of their own have [0, 1], but those of fixed shape beside
 * inputs of free batch, which are weights. The same seed gives the same numbers.
 * @throws GuardError `invalid_model` where an extent other than the first is free: nobody can tell what it may be
 */
export function seededFeeds(
  inputs: readonly TensorSpec[],
  { rows, seed, ranges = {} }: SeededFeedsOptions,
): Record<string, Tensor> {
  const random = seededRandom(seed);
  const batched = inputs.some(({ shape }) => shape[0] === -1);
  return Object.fromEntries(
    inputs.map(({ name, datatype, shape: wanted }) => {
      const shape = wanted.map((extent, axis) => (axis === 0 && extent === -1 ? rows : extent));
      if (shape.includes(-1)) {
        const detail = `input ${name} [${wanted.join(', ')}] is free in more than its batch, so that no input for the self-check can be made up`;
        throw new GuardError('invalid_model', detail);
      }
      const isWeight = batched && wanted[0] !== -1 && datatype.startsWith('FP');
      const range = ranges[name] ?? (isWeight ? weightRange : ([0, 1] as const));
      return [
        name,
        { datatype, shape, data: uniform(datatype, { count: elementCount(shape), range, random }) },
      ];
    }),
  );
}

function uniform(
  datatype: Tensor['datatype'],
  {
    count,
    range: [low, high],
    random,
  }: { readonly count: number; readonly range: readonly [number, number]; readonly random: Random },
): TensorData {
  const data = new elementArrays[datatype](count);
  for (let index = 0; index < count; index++) {
    if (data instanceof Float32Array || data instanceof Float64Array)
      data[index] = low + (high - low) * random();
    else {
      const whole = low + Math.floor((high - low + 1) * random());
      data[index] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(whole) : whole;
    }
  }
  return data as TensorData;
}
