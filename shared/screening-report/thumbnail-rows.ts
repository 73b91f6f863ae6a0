// Which suspects a report shows: the likeliest of each poisoned class, every class before any class's second.
import type { Screening } from '../contracts/screening.ts';
import { classThumbnailsMax, thumbnailsMax } from '../limits.ts';

/**
 * Rows whose images a report asks for, ascending. Each poisoned class gives its likeliest, as many as the bound over all
 * classes leaves it; where there are more poisoned classes than thumbnails, those of the lowest labels have one each.
 */
export function thumbnailRows({ verdicts }: Pick<Screening, 'verdicts'>): number[] {
  const poisoned = verdicts.filter((verdict) => verdict.verdict === 'poisoned');
  const rows: number[] = [];
  for (let rank = 0; rank < classThumbnailsMax; rank++) {
    for (const { suspects } of poisoned) {
      if (rank < suspects.length && rows.length < thumbnailsMax) rows.push(suspects[rank].row);
    }
  }
  return rows.sort((left, right) => left - right);
}
