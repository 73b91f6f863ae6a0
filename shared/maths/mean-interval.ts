// The mean of a few measurements with its interval by Student's distribution.
import { assert } from '../assert.ts';

/** 97.5 % quantiles of Student's distribution by its degrees of freedom, from 1 (Pearson and Hartley 1966, table 12). */
const quantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045,
] as const;

/** A mean with its 95 % interval. */
export interface MeanInterval {
  readonly mean: number;
  /** Low and high end. */
  readonly ci95: [number, number];
}

/**
 * Mean of measurements that were drawn alike, with the interval in which it lies at 95 %.
 * @param values 2 to 30, finite
 * @throws Error where there are fewer or more, or one is not finite
 * @see Student, "The probable error of a mean" (1908)
 */
export function meanInterval(values: readonly number[]): MeanInterval {
  const count = values.length;
  assert(count >= 2 && count <= quantiles.length + 1, `an interval is of 2 to 30 values, not ${count}`);
  assert(values.every(Number.isFinite), 'a value of an interval is not finite');
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = quantiles[count - 2] * Math.sqrt(variance / count);
  return { mean, ci95: [mean - half, mean + half] };
}
