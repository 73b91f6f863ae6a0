// Figures of a table from scores: areas, rates and their spread over the seeds.
import type { RateInterval, Spread, TableCell } from '../../shared/contracts/detection-table.ts';
import { auroc, rateAbove, tprAtFpr } from '../../shared/maths/auroc.ts';
import { rocPoints, tprInterval } from './roc.ts';
import type { SetScores } from './scoring-method.ts';

/** Scores of one method and seed on what is told apart. */
interface Told {
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

/** The clean set: its scores, and the rows that count, those that were attacked. */
export interface CleanScores {
  readonly scores: SetScores;
  readonly right: readonly number[];
}

/** Compares a set of examples with the clean inputs that they were made of, in every way of scoring. */
export function compareScores(found: SetScores, clean: CleanScores): Record<string, TableCell> {
  const cells: Record<string, TableCell> = {};
  for (const [name, seeds] of found) {
    const told = toldApart(seeds, clean.scores.get(name)!, clean.right);
    const intervals = (fpr: number) => meanInterval(told.map((both) => tprInterval(both, fpr)));
    cells[name] = {
      ...compareSeeds(told),
      tpr_at_fpr_5_ci95: intervals(0.05),
      tpr_at_fpr_1_ci95: intervals(0.01),
      roc: rocPoints(told[0]),
    };
  }
  return cells;
}

/** Pairs the scores of examples with those of the clean rows that count, a pair a seed. */
export function toldApart(
  found: readonly Float64Array[],
  clean: readonly Float64Array[],
  right: readonly number[],
): Told[] {
  return found.map((positives, seed) => ({
    positives,
    negatives: Float64Array.from(right, (row) => clean[seed][row]),
  }));
}

/** Area and rates over the seeds. */
export function compareSeeds(
  told: readonly Told[],
): Pick<TableCell, 'auroc' | 'tpr_at_fpr_5' | 'tpr_at_fpr_1'> {
  const rates = (fpr: number) => told.map((both) => tprAtFpr(both.positives, both.negatives, fpr));
  return {
    auroc: spread(told.map(({ positives, negatives }) => auroc(positives, negatives))),
    tpr_at_fpr_5: spread(rates(0.05)),
    tpr_at_fpr_1: spread(rates(0.01)),
  };
}

/** Share of each method's scores over its own thresholds, one a seed. */
export function flaggedShares(
  scores: SetScores,
  thresholds: ReadonlyMap<string, readonly number[]>,
): Record<string, Spread> {
  return Object.fromEntries(
    Array.from(scores, ([name, seeds]) => {
      const limits = thresholds.get(name)!;
      return [name, spread(seeds.map((values, seed) => rateAbove(values, limits[seed])))];
    }),
  );
}

/** Mean and sample standard deviation; 0 for a single value. */
export function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) };
}

/** The seeds share their examples, so the ends do not come closer with more of them. */
function meanInterval(intervals: readonly RateInterval[]): RateInterval {
  const end = (index: 0 | 1) => spread(intervals.map((interval) => interval[index])).mean;
  return [end(0), end(1)];
}
