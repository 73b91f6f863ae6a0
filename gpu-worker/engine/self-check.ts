// Whether an engine computes with a model what the reference computes with it.
import { GuardError } from '../../shared/errors.ts';
import type { Tensor } from '../../shared/maths/tensor.ts';
import type { LoadedModel, LoadOptions } from './engine.ts';
import { seededFeeds } from './seeded-feeds.ts';

/** What is compared, and on what. */
export interface SelfCheckOptions {
  readonly ranges?: LoadOptions['ranges'] | undefined;
  /** Batches that are run, each with a seed of its own; of a model of fixed batch they are so many inputs. */
  readonly batches?: readonly number[] | undefined;
}

/**
 * A largest difference above this share of an output's largest value refuses the engine. Right engines on LeNet-5 and residual
 * networks were within 5e-5 of each other, wrong ones off by half and more.
 */
export const relativeErrorMax = 1e-3;
const batchesDefault = [1, 3, 8] as const;
/** Outputs below this are compared as if their largest value were this: differences of rounding say nothing about them. */
const magnitudeMin = 1e-6;

/**
 * Runs both on the same inputs.
 * @param model of the engine that is checked
 * @param reference the same file, loaded by the reference
 * @returns the largest relative error
 * @throws GuardError `invalid_config` with the output, the batch and the error where they differ by more than
 *   `relativeErrorMax`, in shape, or where a number is not finite; `invalid_model` where no input can be made up
 */
export async function selfCheck(
  model: LoadedModel,
  reference: LoadedModel,
  { ranges, batches = batchesDefault }: SelfCheckOptions = {},
): Promise<number> {
  let largest = 0;
  for (const [index, rows] of batches.entries()) {
    const feeds = seededFeeds(reference.inputs, { rows, seed: index + 1, ranges });
    const [own, expected] = await Promise.all([model.run(feeds), reference.run(feeds)]);
    for (const { name } of reference.outputs) {
      const error = relativeError(own[name], expected[name]);
      // Written so that NaN is refused.
      if (!(error <= relativeErrorMax)) throw refused({ name, rows, error });
      largest = Math.max(largest, error);
    }
  }
  return largest;
}

/**
 * The largest difference between two tensors, as a share of the largest value that is expected.
 * @returns NaN where a number of either is not finite or the shapes differ
 */
export function relativeError(own: Tensor | undefined, expected: Tensor): number {
  if (own === undefined || String(own.shape) !== String(expected.shape)) return Number.NaN;
  let difference = 0;
  let magnitude = magnitudeMin;
  for (let index = 0; index < expected.data.length; index++) {
    const [value, wanted] = [Number(own.data[index]), Number(expected.data[index])];
    if (!Number.isFinite(value) || !Number.isFinite(wanted)) return Number.NaN;
    difference = Math.max(difference, Math.abs(value - wanted));
    magnitude = Math.max(magnitude, Math.abs(wanted));
  }
  return difference / magnitude;
}

function refused({ name, rows, error }: { name: string; rows: number; error: number }): GuardError {
  const what = Number.isNaN(error)
    ? 'gives numbers that are not finite, or another shape'
    : `is off by ${error.toPrecision(2)} of its largest value (at most ${relativeErrorMax})`;
  return new GuardError('invalid_config', `self-check: output ${name} of ${rows} rows ${what}`);
}
