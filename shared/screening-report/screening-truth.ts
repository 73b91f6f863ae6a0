// What a screening found against the poison that was planted.
import type { Screening } from '../contracts/screening.ts';
import type { ScreeningTruth } from '../contracts/screening-report.ts';
import { f1Score } from '../maths/f1-score.ts';

/** What was planted. */
export interface PlantedPoison {
  /** Rows of the poisoned examples in the data set. */
  readonly rows: Iterable<number>;
  /** [examples], the labels of the data set as it was screened. */
  readonly labels: ArrayLike<number>;
}

/**
 * Compares a screening with the truth. F1 is of examples over the whole data set: the suspects of all poisoned classes against
 * all poison, wherever it lies.
 */
export function screeningTruth(
  { verdicts, poisoned }: Pick<Screening, 'verdicts' | 'poisoned'>,
  { rows, labels }: PlantedPoison,
): ScreeningTruth {
  const poison = new Set(rows);
  const planted = new Set(Array.from(poison, (row) => labels[row]));
  let suspects = 0;
  let hits = 0;
  for (const verdict of verdicts) {
    if (verdict.verdict !== 'poisoned') continue;
    suspects += verdict.suspects.length;
    for (const { row } of verdict.suspects) if (poison.has(row)) hits++;
  }
  return {
    poison: poison.size,
    true_positives: hits,
    false_positives: suspects - hits,
    false_negatives: poison.size - hits,
    f1: f1Score({ hits, found: suspects, planted: poison.size }),
    planted: [...planted].sort((left, right) => left - right),
    false_classes: poisoned.filter((label) => !planted.has(label)),
    missed_classes: [...planted]
      .filter((label) => !poisoned.includes(label))
      .sort((left, right) => left - right),
  };
}
