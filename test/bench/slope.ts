// The slope of a series of measurements, with an interval that knows that they follow each other.
import { createRequire } from 'node:module';

// The package is CommonJS without types.
const { jStat } = createRequire(import.meta.url)('jstat') as {
  jStat: { studentt: { inv(probability: number, freedom: number): number } };
};

/**
 * Least squares, with the interval for samples that follow each other: memory of now is memory of five seconds ago, so that the
 * number of independent samples is n (1 - r) / (1 + r), r the lag-one correlation of what the line leaves.
 */
export function slopeOf(x: readonly number[], y: readonly number[]) {
  const count = x.length;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  const [mx, my] = [mean(x), mean(y)];
  const squares = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  const slope = x.reduce((sum, value, place) => sum + (value - mx) * (y[place] - my), 0) / squares;
  const left = y.map((value, place) => value - my - slope * (x[place] - mx));
  const variance = left.reduce((sum, value) => sum + value * value, 0);
  const lag = left.slice(1).reduce((sum, value, place) => sum + value * left[place], 0) / variance;
  const independent = Math.max(3, (count * (1 - lag)) / (1 + lag));
  const error = Math.sqrt((variance / (count - 2) / squares) * (count / independent));
  const reach = jStat.studentt.inv(0.975, independent - 2) * error;
  return { slope, low: slope - reach, high: slope + reach };
}
