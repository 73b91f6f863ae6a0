// ROC curves short enough to store, and how sure a true positive rate at a false positive rate is.
import { createRequire } from 'node:module';
import { assert } from '../../shared/assert.ts';
import { type RateInterval, type RocPoint, rocPointsMax } from '../../shared/contracts/detection-table.ts';
import { rateAbove } from '../../shared/maths/auroc.ts';

/** The part of jStat that is used; the package has no types of its own. */
interface JStat {
  /** Regularised incomplete beta function I_x(a, b). */
  ibeta(x: number, a: number, b: number): number;
}
const { jStat } = createRequire(import.meta.url)('jstat') as { jStat: JStat };

/** Scores of both classes, any order, higher for what is taken for adversarial; none is NaN. */
export interface ClassScores {
  readonly positives: ArrayLike<number>;
  readonly negatives: ArrayLike<number>;
}

/** The 97.5 % quantile of the standard normal distribution. */
const normalQuantile = 1.959963984540054;

/**
 * Points of the empirical ROC curve, closer together where the false positive rate is small.
 *
 * Every point is one that a threshold reaches; straight lines between points are reached by drawing lots between thresholds.
 * @returns at most 64 (false positive rate, true positive rate), from (0, 0) to (1, 1), neither ever falling
 * @throws Error where a class is empty or holds NaN
 * @see Fawcett, "An introduction to ROC analysis" (2006), sections 4 and 10
 */
export function rocPoints({ positives, negatives }: ClassScores): RocPoint[] {
  const clean = sortedScores({ positives, negatives });
  const points: RocPoint[] = [[0, 0]];
  const steps = rocPointsMax - 2;
  for (let step = 0; step < steps; step++) {
    const allowed = Math.round((step / steps) ** 2 * clean.length);
    if (allowed === clean.length) break;
    const threshold = clean[clean.length - 1 - allowed];
    const point: RocPoint = [rateAbove(clean, threshold), rateAbove(positives, threshold)];
    const [fpr, tpr] = points[points.length - 1];
    if (point[0] !== fpr || point[1] !== tpr) points.push(point);
  }
  const [fpr, tpr] = points[points.length - 1];
  if (fpr !== 1 || tpr !== 1) points.push([1, 1]);
  return points;
}

/**
 * 95 % interval of the true positive rate at a false positive rate, for the draw of both sets.
 *
 * The threshold is an order statistic of the clean scores, so at a small rate its own draw weighs most: the interval is the
 * percentile bootstrap over both sets, here without resampling, since the bootstrap's threshold and the count above it have
 * known distributions. Where all examples are caught that interval has no width, so it is widened to the Wilson score
 * interval, which holds for a fixed threshold.
 * @param fpr false positive rate that the threshold allows, in [0, 1)
 * @returns low and high end, each in [0, 1], the observed rate between them
 * @throws Error where a class is empty or holds NaN
 * @see Platt, Hanley and Yang, "Bootstrap confidence intervals for the sensitivity of a quantitative diagnostic test" (2000);
 *   Hutson and Ernst, "The exact bootstrap mean and variance of an L-estimator" (2000); Wilson, "Probable inference, the law
 *   of succession, and statistical inference" (1927)
 */
export function tprInterval(scores: ClassScores, fpr: number): RateInterval {
  assert(fpr >= 0 && fpr < 1, 'a false positive rate lies in [0, 1)');
  const clean = sortedScores(scores);
  const rank = clean.length - Math.floor(fpr * clean.length);
  const observed = rateAbove(scores.positives, clean[rank - 1]);
  const count = scores.positives.length;
  const rates = thresholdRates(scores.positives, clean, rank);
  const wilson = wilsonInterval(observed, count);
  return [
    Math.min(wilson[0], bootstrapQuantile(rates, count, 0.025)),
    Math.max(wilson[1], bootstrapQuantile(rates, count, 0.975)),
  ];
}

/**
 * 95 % Wilson score interval of a share.
 * @param share in [0, 1], of `count` draws
 * @see Wilson 1927, as in Brown, Cai and DasGupta, "Interval estimation for a binomial proportion" (2001), equation 4
 */
export function wilsonInterval(share: number, count: number): RateInterval {
  const square = normalQuantile ** 2;
  const centre = (share + square / (2 * count)) / (1 + square / count);
  const half =
    (normalQuantile / (1 + square / count)) *
    Math.sqrt((share * (1 - share)) / count + square / (4 * count ** 2));
  // At a share of 0 or 1 the two terms are equal but for rounding.
  return [share === 0 ? 0 : Math.max(0, centre - half), share === 1 ? 1 : Math.min(1, centre + half)];
}

interface WeightedRate {
  readonly rate: number;
  readonly weight: number;
}

/** True positive rate at each threshold that a resample of the clean scores may have, with its probability. */
function thresholdRates(positives: ArrayLike<number>, clean: Float64Array, rank: number): WeightedRate[] {
  const rates: WeightedRate[] = [];
  let before = 0;
  for (let index = 0; index < clean.length; index++) {
    // The rank-th smallest of a resample lies at or under this index where at least `rank` of its draws do.
    const cumulated = jStat.ibeta((index + 1) / clean.length, rank, clean.length - rank + 1);
    const weight = cumulated - before;
    before = cumulated;
    if (weight > 1e-9) rates.push({ rate: rateAbove(positives, clean[index]), weight });
  }
  return rates;
}

/** Smallest share of `count` draws whose cumulated probability under the mixture reaches `probability`. */
function bootstrapQuantile(rates: readonly WeightedRate[], count: number, probability: number): number {
  const total = rates.reduce((sum, { weight }) => sum + weight, 0);
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const cumulated = rates.reduce(
      (sum, { rate, weight }) => sum + weight * jStat.ibeta(1 - rate, count - middle, middle + 1),
      0,
    );
    if (cumulated >= probability * total) high = middle;
    else low = middle + 1;
  }
  return low / count;
}

function sortedScores({ positives, negatives }: ClassScores): Float64Array {
  assert(positives.length > 0 && negatives.length > 0, 'a ROC curve needs scores of both classes');
  for (let index = 0; index < positives.length; index++) {
    assert(!Number.isNaN(positives[index]), 'a score is not a number');
  }
  const clean = Float64Array.from(negatives).sort();
  assert(!Number.isNaN(clean[clean.length - 1]), 'a score is not a number');
  return clean;
}
