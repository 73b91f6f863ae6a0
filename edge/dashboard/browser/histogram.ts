// Counts of scores in bars of equal width, cut at the threshold.

/** One bar: scores from `from`, exclusive, to `to`, inclusive. */
export interface Bar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Bars that a histogram has at most. */
const barsMax = 40;

/**
 * Counts scores in bars of a round width. An end of a bar lies on the threshold, so that no bar holds scores of both sides:
 * a score is over the threshold where it is greater.
 * @param scores [n], finite
 * @returns the bars in rising order, without gaps; none where there is no score
 */
export function histogram(scores: readonly number[], threshold: number): Bar[] {
  if (scores.length === 0) return [];
  const lowest = scores.reduce((one, other) => Math.min(one, other), threshold);
  const highest = scores.reduce((one, other) => Math.max(one, other), threshold);
  const width = roundWidth((highest - lowest) / (barsMax - 2));
  const first = Math.ceil((lowest - threshold) / width) - 1;
  const last = Math.max(first + 1, Math.ceil((highest - threshold) / width));
  const counts = Array.from({ length: last - first }, () => 0);
  for (const score of scores) counts[Math.ceil((score - threshold) / width) - 1 - first]++;
  return counts.map((count, bar) => {
    return { from: threshold + (first + bar) * width, to: threshold + (first + bar + 1) * width, count };
  });
}

/**
 * How many scores the calibration's clean inputs would put into each bar, were there as many at or below the threshold as there are.
 * @param quantiles of the clean scores at equal steps from 0 to 100 %, rising
 * @returns a count a bar, whole or not
 */
export function expectedCounts(
  bars: readonly Bar[],
  { quantiles, threshold }: { quantiles: readonly number[]; threshold: number },
): number[] {
  const below = bars.reduce((sum, { from, count }) => (from < threshold ? sum + count : sum), 0);
  const promised = shareUpTo(quantiles, threshold);
  if (promised === 0) return bars.map(() => 0);
  return bars.map(
    ({ from, to }) => (below / promised) * (shareUpTo(quantiles, to) - shareUpTo(quantiles, from)),
  );
}

/** Share of the clean scores that do not exceed a value, straight between two quantiles. */
function shareUpTo(quantiles: readonly number[], value: number): number {
  const upper = quantiles.findIndex((quantile) => quantile > value);
  if (upper < 0) return 1;
  if (upper === 0) return 0;
  const [before, after] = [quantiles[upper - 1], quantiles[upper]];
  return (upper - 1 + (value - before) / (after - before)) / (quantiles.length - 1);
}

/** The least width of 1, 2 or 5 times a power of ten that is not below one; some width where that is 0. */
function roundWidth(least: number): number {
  const wanted = Math.max(least, 1e-9);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= wanted) ?? 10;
  return step * power;
}
