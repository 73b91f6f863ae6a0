// The figures of a box plot.
import { assert } from '../assert.ts';

/** A box plot after Tukey. */
export interface BoxFigures {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  /** First and third. */
  readonly quartiles: [number, number];
  /** Lowest and highest value within 1.5 box lengths of the box. */
  readonly whiskers: [number, number];
  /** Values beyond the whiskers, rising. */
  readonly outliers: number[];
}

/** Box lengths that a whisker is long at most. */
const reach = 1.5;

/**
 * Sums up values as a box plot. Quartiles interpolate linearly between the two nearest ranks (R's type 7).
 * @param values at least one, finite, in any order
 * @throws Error where there is none, or one is not finite
 * @see Tukey, "Exploratory data analysis" (1977), chapter 2; Hyndman and Fan (1996) for the quartiles
 */
export function boxFigures(values: ArrayLike<number>): BoxFigures {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  assert(count > 0, 'a box plot needs a value');
  assert(
    sorted.every((value) => Number.isFinite(value)),
    'a value of a box plot is not finite',
  );
  const quantile = (share: number) => {
    const place = share * (count - 1);
    const low = Math.floor(place);
    const high = Math.min(count - 1, low + 1);
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
  };
  const [first, median, third] = [0.25, 0.5, 0.75].map(quantile);
  const slack = reach * (third - first);
  const inside = sorted.filter((value) => value >= first - slack && value <= third + slack);
  return {
    count,
    mean: sorted.reduce((sum, value) => sum + value, 0) / count,
    median,
    quartiles: [first, third],
    // A quartile between two values can lie beyond the last value that is inside.
    whiskers: [Math.min(first, inside[0]), Math.max(third, inside[inside.length - 1])],
    outliers: Array.from(sorted).filter((value) => value < first - slack || value > third + slack),
  };
}
