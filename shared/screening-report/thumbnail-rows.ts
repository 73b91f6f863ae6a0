// Which examples a report shows: the likeliest suspects of each poisoned class and some others, every class before any class's second.
import type { Screening } from '../contracts/screening.ts';
import type { ClassPicture } from '../contracts/screening-report.ts';
import { classThumbnailsMax, thumbnailsMax } from '../limits.ts';

/**
 * Rows whose images a report asks for, ascending. Each poisoned class gives its likeliest suspects and the ordinary rows of its
 * picture, as many as the bound over all classes leaves it; where there are more poisoned classes than thumbnails, those of the
 * lowest labels have one each.
 */
export function thumbnailRows(
  { verdicts }: Pick<Screening, 'verdicts'>,
  pictures: readonly Pick<ClassPicture, 'label' | 'ordinary_rows'>[] = [],
): number[] {
  const ordinary = new Map(pictures.map(({ label, ordinary_rows }) => [label, ordinary_rows]));
  const poisoned = verdicts.filter((verdict) => verdict.verdict === 'poisoned');
  const rows: number[] = [];
  for (let rank = 0; rank < classThumbnailsMax; rank++) {
    for (const { label, suspects } of poisoned) {
      const ranked = [suspects[rank]?.row, ordinary.get(label)?.[rank]];
      rows.push(...ranked.filter((row) => row !== undefined));
    }
  }
  return rows.slice(0, thumbnailsMax).sort((left, right) => left - right);
}
