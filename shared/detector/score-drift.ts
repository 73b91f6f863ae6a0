// Whether clean scores still lie where they lay at the calibration: where they do not, neither does the false positive rate.
import { assert } from '../assert.ts';

/** Quantiles of the clean scores that an artefact keeps: at 0, 1, ... 100 %. */
export const cleanQuantileCount = 101;
/** Bins of the comparison, of equal shares of the clean scores. */
const binsMax = 10;
/** Below this index no shift is told, however sure it is: from 0.1 on scoring practice calls one moderate. */
const indexMin = 0.1;
/** Standard normal quantile of 99.9 %: where nothing has changed one comparison in a thousand exceeds the bound. */
const normalQuantile = 3.0902;

/** Clean scores of a calibration. */
export interface CleanScores {
  /** [101], rising: see `cleanQuantiles`. */
  readonly quantiles: ArrayLike<number>;
  /** Scores that they were made from. */
  readonly samples: number;
  /** Scores above are left out of the comparison on both sides: the detector takes them for no clean ones. */
  readonly cut: number;
}

/** A comparison. */
export interface ScoreDrift {
  /** Scores that were compared: those up to the cut. */
  readonly rows: number;
  /** Population stability index: 0 where both lie alike, without an upper end. */
  readonly index: number;
  /** Exceeded by chance once in a thousand comparisons at most. */
  readonly bound: number;
  /** Share of the scores by bin, and what the calibration expects; from the lowest scores to the highest. */
  readonly bins: readonly {
    /** Upper end, inclusive; null of the last bin, which ends at the cut. */
    readonly to: number | null;
    readonly share: number;
    readonly expected: number;
  }[];
}

/**
 * The quantiles of scores at 0, 1, ... 100 %, interpolated between neighbours (Hyndman and Fan, 1996, type 7).
 * @param scores [n], n at least 1, finite
 * @returns [101], rising
 */
export function cleanQuantiles(scores: ArrayLike<number>): number[] {
  assert(scores.length > 0, 'there are clean scores');
  const sorted = Float64Array.from(scores).sort();
  return Array.from({ length: cleanQuantileCount }, (_, percent) => valueAt(sorted, percent / 100));
}

/**
 * Compares scores with those of a calibration, by the population stability index over bins that hold equal shares of the latter.
 * @param scores [n], one a row, n at least 1; those above the cut are left out
 * @returns undefined where no score is left, or the cut leaves nothing of the calibration
 * @see Yurdakul and Naranjo, Statistical properties of the population stability index (2020): index over (1/n + 1/m) is about
 *   chi-squared with one degree of freedom less than there are bins
 */
export function scoreDrift(
  scores: ArrayLike<number>,
  { quantiles, samples, cut }: CleanScores,
): ScoreDrift | undefined {
  const compared = Array.from(scores).filter((score) => score <= cut);
  const below = shareUpTo(quantiles, cut);
  if (compared.length === 0 || below === 0) return undefined;
  const edges = binEdges(quantiles, { below, cut });
  const counts = new Float64Array(edges.length + 1);
  for (const score of compared) counts[edges.filter((edge) => edge < score).length]++;
  const reached = [...edges.map((edge) => shareUpTo(quantiles, edge) / below), 1];
  const bins = reached.map((upTo, bin) => {
    const expected = upTo - (bin === 0 ? 0 : reached[bin - 1]);
    return { to: edges[bin] ?? null, share: counts[bin] / compared.length, expected };
  });
  let index = 0;
  for (const [bin, { expected }] of bins.entries()) {
    // Half a row is added to each bin, so that an empty one counts and does not count without end.
    const share = (counts[bin] + 0.5) / (compared.length + 0.5 * bins.length);
    index += (share - expected) * Math.log(share / expected);
  }
  const bound = chiSquaredQuantile(bins.length - 1) * (1 / compared.length + 1 / (samples * below));
  return { rows: compared.length, index, bound: Math.max(indexMin, bound), bins };
}

/** Ends of all bins but the last. Scores that many inputs share may fill several bins, which are then one. */
function binEdges(quantiles: ArrayLike<number>, { below, cut }: { below: number; cut: number }): number[] {
  const edges: number[] = [];
  for (let bin = 1; bin < binsMax; bin++) {
    const edge = valueAt(quantiles, (bin / binsMax) * below);
    // What lies above the edge must be a share of the calibration too.
    if (edge < cut && edge > (edges.at(-1) ?? Number.NEGATIVE_INFINITY)) edges.push(edge);
  }
  return edges.filter((edge) => shareUpTo(quantiles, edge) < below);
}

/** The value at a share of sorted values. */
function valueAt(sorted: ArrayLike<number>, share: number): number {
  const place = share * (sorted.length - 1);
  const lower = Math.floor(place);
  const upper = Math.min(lower + 1, sorted.length - 1);
  return sorted[lower] + (place - lower) * (sorted[upper] - sorted[lower]);
}

/** The largest share whose quantile does not exceed a value. */
function shareUpTo(quantiles: ArrayLike<number>, value: number): number {
  let upper = 0;
  while (upper < quantiles.length && quantiles[upper] <= value) upper++;
  if (upper === 0) return 0;
  if (upper === quantiles.length) return 1;
  const [before, after] = [quantiles[upper - 1], quantiles[upper]];
  return (upper - 1 + (value - before) / (after - before)) / (quantiles.length - 1);
}

/** 99.9 % quantile of the chi-squared distribution, within 2 % (Wilson and Hilferty, 1931). */
function chiSquaredQuantile(degrees: number): number {
  if (degrees === 0) return 0;
  const part = 2 / (9 * degrees);
  return degrees * (1 - part + normalQuantile * Math.sqrt(part)) ** 3;
}
