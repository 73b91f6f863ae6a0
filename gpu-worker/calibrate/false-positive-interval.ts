// What a conformal threshold promises: intervals for its false positive rate, and for what a test set will show.
import { createRequire } from 'node:module';

/** The part of jStat that is used; the package has no types of its own. */
interface JStat {
  readonly beta: { inv(probability: number, alpha: number, beta: number): number };
  betaln(x: number, y: number): number;
  combinationln(n: number, k: number): number;
}
const { jStat } = createRequire(import.meta.url)('jstat') as { jStat: JStat };

/** A calibration: `samples` clean scores, the threshold being the `rank`-th smallest. */
export interface ConformalCalibration {
  readonly samples: number;
  readonly rank: number;
}

/**
 * Central 95 % interval of the false positive rate of a conformal threshold.
 *
 * Over the draw of the calibration set the rate is Beta(n + 1 - k, k).
 * @returns [low, high], each in [0, 1]
 * @see Vovk, "Conditional validity of inductive conformal predictors" (2012), section 2
 */
export function falsePositiveInterval({ samples, rank }: ConformalCalibration): [number, number] {
  const [alpha, beta] = [samples + 1 - rank, rank];
  return [jStat.beta.inv(0.025, alpha, beta), jStat.beta.inv(0.975, alpha, beta)];
}

/**
 * Lower end of the 95 % interval of a rate by what was counted.
 * @returns in [0, 1]; 0 where nothing was
 * @see Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial" (1934)
 */
export function lowestRate({ events, trials }: { events: number; trials: number }): number {
  return events === 0 ? 0 : jStat.beta.inv(0.025, events, trials - events + 1);
}

/**
 * Central 95 % interval of the false positive rate that a test set of `tests` fresh clean inputs shows: the
 * beta-binomial of the calibration's rate and the test's draw.
 * @returns [low, high], multiples of 1/tests
 */
export function observedRateInterval(calibration: ConformalCalibration, tests: number): [number, number] {
  const [alpha, beta] = [calibration.samples + 1 - calibration.rank, calibration.rank];
  let cumulated = 0;
  let low: number | undefined;
  for (let count = 0; count <= tests; count++) {
    const logProbability =
      jStat.combinationln(tests, count) +
      jStat.betaln(count + alpha, tests - count + beta) -
      jStat.betaln(alpha, beta);
    cumulated += Math.exp(logProbability);
    if (low === undefined && cumulated >= 0.025) low = count / tests;
    if (cumulated >= 0.975) return [low ?? 0, count / tests];
  }
  return [low ?? 0, 1];
}
