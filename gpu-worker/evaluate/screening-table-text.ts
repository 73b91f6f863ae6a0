// A screening table for a person at a terminal.
import type { MethodScore, ScreeningRow, ScreeningTable } from '../../shared/contracts/screening-table.ts';
import { percentText } from '../../shared/report/figure-text.ts';
import { f1Holds, type SmallestRate, smallestRates } from './score-suspicion.ts';
import { aligned } from './text-columns.ts';

/** The table: the smallest rates first, then a line a set and method. */
export function screeningTableText(table: ScreeningTable): string {
  const settings = Object.entries(table.settings).map(([name, setting]) => `${name}: ${setting}`);
  return [rateLines(table), ...table.rows.map(rowLines), settings.join('\n'), table.device]
    .filter((part) => part !== '')
    .join('\n\n');
}

function rateLines({ rows }: ScreeningTable): string {
  const rates = smallestRates(rows);
  if (rates.length === 0) return '';
  const methods = Object.keys(rates[0].smallest);
  const head = [`smallest rate at which F1 holds ${f1Holds}`, ...rates.map(triggerTitle)];
  const tried = [
    'tried',
    ...rates.map(({ rates: own }) => own.map((each) => percentText(each, '')).join(' ')),
  ];
  return aligned([
    head,
    tried,
    ...methods.map((method) => [method, ...rates.map(({ smallest }) => rateText(smallest[method]))]),
  ]);
}

/** A trigger as a report calls it. */
export function triggerTitle({ trigger, cleanLabel }: Pick<SmallestRate, 'trigger' | 'cleanLabel'>): string {
  return cleanLabel ? `${trigger}, clean label` : trigger;
}

/** A smallest rate as a report writes it. */
export function rateText(smallest: number | null | undefined): string {
  if (smallest === undefined) return 'not run';
  return smallest === null ? 'none' : percentText(smallest);
}

function rowLines(row: ScreeningRow): string {
  const lines = aligned([
    [row.name, 'F1', 'precision', 'recall', 'flagged', 'false classes', 'clean flagged', 'seconds'],
    ...Object.entries(row.methods).map(([method, score]) => [method, ...cellTexts(score)]),
  ]);
  const said = `${row.planted} planted and ${row.clean_in_target} clean rows in class ${row.target}`;
  const flags = row.seeds.map(({ method, seed, flagged }) => `${method} ${seed} {${flagged.join(', ')}}`);
  const seeds = flags.length > 0 ? `\nflagged by seed: ${flags.join('  ')}` : '';
  return `${row.planted === 0 ? `nothing planted in ${row.examples} rows` : said}\n${lines}${seeds}`;
}

function cellTexts({
  f1,
  precision,
  recall,
  flagged,
  false_classes,
  clean_flagged,
  seconds,
}: MethodScore): string[] {
  return [
    ...[f1, precision, recall].map((figure) => figure?.toFixed(3) ?? '-'),
    labelsText(flagged),
    false_classes === null ? '-' : String(false_classes.length),
    percentText(clean_flagged),
    seconds.toFixed(1),
  ];
}

/** Labels as a report writes them: the first few, and how many more. */
export function labelsText(labels: readonly number[] | null): string {
  if (labels === null) return '-';
  const shown = labels.slice(0, 4).join(' ');
  return `{${shown}${labels.length > 4 ? ` and ${labels.length - 4} more` : ''}}`;
}
