// The suspects of a screening as a table for spreadsheets.
import type { ScreeningReport } from '../contracts/screening-report.ts';

/** Lines that are put together at once: each alone is held as several small strings. */
const chunkLines = 1_000;

const header = ['row', 'label', 'class name', 'score', 'cluster', 'direction', 'file name'];

/**
 * Writes the suspects class by class, the likeliest first in each.
 * @returns text by RFC 4180, with a header row; only the header where no class is poisoned
 */
export function suspectsCsv({ dataset, screening, suspect_files = [] }: ScreeningReport): string {
  const files = new Map(suspect_files.map(({ row, name }) => [row, name]));
  const pieces = [header.join(), '\r\n'];
  for (const verdict of screening.verdicts) {
    if (verdict.verdict !== 'poisoned') continue;
    const { label, poison_cluster, direction, suspects } = verdict;
    const className = textField(dataset.class_names?.[label] ?? '');
    for (let start = 0; start < suspects.length; start += chunkLines) {
      const lines = suspects.slice(start, start + chunkLines).map(({ row, score }) => {
        const fileName = textField(files.get(row) ?? '');
        return `${[row, label, className, score, poison_cluster, direction, fileName].join()}\r\n`;
      });
      pieces.push(lines.join(''));
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
