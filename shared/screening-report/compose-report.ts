// Puts a report together and refuses one that contradicts itself.
import {
  type ScreeningReport,
  screeningReportSchema,
  type Thumbnail,
} from '../contracts/screening-report.ts';
import { GuardError } from '../errors.ts';
import { thumbnailsCharactersMax } from '../limits.ts';

/** All that a report holds but its format. */
export type ReportParts = Omit<ScreeningReport, 'format' | 'format_version'>;

/**
 * Composes a report. Of the thumbnails those of each class's likeliest suspects and first ordinary rows stay, as many as `thumbnailsCharactersMax` holds.
 * @throws GuardError `internal` where the parts do not fit each other
 */
export function composeReport(parts: ReportParts): ScreeningReport {
  const report: ScreeningReport = {
    ...parts,
    thumbnails: boundedThumbnails(parts),
    format: 'nccr-guard/screening-report',
    format_version: 1,
  };
  const read = screeningReportSchema.safeParse(report);
  // What was parsed is a copy: with a hundred thousand suspects it is not kept beside the parts.
  if (read.success) return report;
  const [{ path, message }] = read.error.issues;
  throw new GuardError('internal', `the report of a screening: ${path.join('.')} ${message}`, {
    cause: read.error,
  });
}

/** By ascending row. */
function boundedThumbnails({ screening, pictures, thumbnails }: ReportParts): Thumbnail[] {
  const ranks = new Map<number, number>();
  for (const verdict of screening.verdicts) {
    if (verdict.verdict !== 'poisoned') continue;
    for (const [rank, { row }] of verdict.suspects.entries()) ranks.set(row, rank);
  }
  for (const { ordinary_rows } of pictures)
    for (const [rank, row] of ordinary_rows.entries()) ranks.set(row, rank);
  const rankOf = ({ row }: Thumbnail) => ranks.get(row) ?? 0;
  let room = thumbnailsCharactersMax;
  return thumbnails
    .toSorted((left, right) => rankOf(left) - rankOf(right) || left.row - right.row)
    .filter(({ data }) => {
      room -= data.length;
      return room >= 0;
    })
    .sort((left, right) => left.row - right.row);
}
