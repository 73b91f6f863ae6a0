// The suspects of a screening, and what was set aside as outliers, as a table for spreadsheets.
import { outlierRowsOf } from '../contracts/screening.ts';
import type { ScreeningReport } from '../contracts/screening-report.ts';

/** Lines that are put together at once: each alone is held as several small strings. */
const chunkLines = 1_000;

const header = ['row', 'label', 'class name', 'score', 'cluster', 'direction', 'file name', 'kind'];

/**
 * Writes the suspects class by class, the likeliest first in each; then the listed outliers, class by class, without a score. The last column
 * tells them apart: `suspect`, `outlier`, or both.
 * @returns text by RFC 4180, with a header row; only the header where there is neither
 */
export function suspectsCsv({ dataset, screening, suspect_files = [] }: ScreeningReport): string {
  const files = new Map(suspect_files.map(({ row, name }) => [row, name]));
  const pieces = [header.join(), '\r\n'];
  for (const verdict of screening.verdicts) {
    if (verdict.verdict !== 'poisoned') continue;
    const { label, poison_cluster, direction, suspects } = verdict;
    const outliers = new Set(outlierRowsOf(verdict));
    const className = textField(dataset.class_names?.[label] ?? '');
    for (let start = 0; start < suspects.length; start += chunkLines) {
      const lines = suspects.slice(start, start + chunkLines).map(({ row, score }) => {
        const fileName = textField(files.get(row) ?? '');
        const kind = outliers.has(row) ? 'suspect and outlier' : 'suspect';
        return `${[row, label, className, score, poison_cluster, direction, fileName, kind].join()}\r\n`;
      });
      pieces.push(lines.join(''));
    }
  }
  for (const verdict of screening.verdicts) {
    const suspects =
      verdict.verdict === 'poisoned' ? new Set(verdict.suspects.map(({ row }) => row)) : undefined;
    const { label } = verdict;
    const className = textField(dataset.class_names?.[label] ?? '');
    for (const row of outlierRowsOf(verdict)) {
      if (suspects?.has(row)) continue;
      const fileName = textField(files.get(row) ?? '');
      pieces.push(`${[row, label, className, '', '', '', fileName, 'outlier'].join()}\r\n`);
    }
  }
  return pieces.join('');
}

/**
 * A field that others named. Spreadsheets run what begins like a formula, full-width signs among them; an apostrophe makes it
 * text, and quotes keep delimiters of every locale inside the field.
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
function textField(text: string): string {
  if (text === '') return '';
  // Some skip white space and control characters before they look.
  const guarded = /^[\s\p{C}]*[=+\-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}]|^[\t\r\n]/u.test(text)
    ? `'${text}`
    : text;
  return `"${guarded.replaceAll('"', '""')}"`;
}
