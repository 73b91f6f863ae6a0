// A reproduction as text: ours, the paper's and the difference, cell by cell.
import type {
  ReproducedCell,
  ReproducedGrid,
  ReproducedTable,
  Reproduction,
  ReproductionStep,
} from '../../shared/contracts/reproduction.ts';
import { aligned } from '../evaluate/text-columns.ts';

/** What stands where there is no figure. */
const none = '–';

/** Writes the text. */
export function reproductionText(reproduction: Reproduction): string {
  const { tables, quick, machine, code } = reproduction;
  const head = `The paper beside what was measured here: ours, (the paper’s), difference. ${machine}, code ${code}.`;
  return [head, ...(quick ? [quickNote] : []), ...tables.map(tableText)].join('\n\n');
}

/** What is to be known of the short form. */
export const quickNote =
  'This is the quick form: few images and one seed. Its figures move with the draw by several hundredths; the full run is the one to quote.';

function tableText({ title, notes, grids, findings, costs, figures, steps }: ReproducedTable): string {
  return [
    title,
    ...notes,
    ...grids.map(gridText),
    ...findings.map(({ holds, sentence }) => `${holds ? 'holds' : 'DOES NOT HOLD'}: ${sentence}`),
    ...costs.map(
      ({ title: of, unit, rows }) =>
        `time, ${unit}: ${of}\n${aligned(rows.map(({ method, cost }) => [`  ${method}`, costText(cost)]))}`,
    ),
    ...figures.map(({ title: figure, path }) => `${figure}: ${path}`),
    ...steps.map(stepText),
  ].join('\n');
}

function gridText({ title, columns, rows, unit }: ReproducedGrid): string {
  const lines = [
    ['', ...columns],
    ...rows.map(({ label, cells }) => [
      `  ${label}`,
      ...cells.map(({ paper, ours }) => {
        const difference = differenceText({ paper, ours }, unit);
        return `${figureText(ours, unit)} (${figureText(paper, unit)}) ${difference}`.trimEnd();
      }),
    ]),
  ];
  return `${title}\n${aligned(lines)}`;
}

/** A figure as its unit is written: accuracies as per cent, areas and F1 with four places. */
export function figureText(value: number | null, unit: ReproducedGrid['unit']): string {
  if (value === null) return none;
  return unit === 'accuracy' ? (100 * value).toFixed(1) : value.toFixed(4);
}

/** Ours less the paper's with its sign; empty where one is not there. */
export function differenceText({ paper, ours }: ReproducedCell, unit: ReproducedGrid['unit']): string {
  if (paper === null || ours === null) return '';
  const difference = ours - paper;
  const text = figureText(Math.abs(difference), unit);
  const sign = Number(text) === 0 ? '±' : difference < 0 ? '−' : '+';
  return `${sign}${text}`;
}

/** A time with three significant figures. */
export function costText(cost: number): string {
  return cost >= 1000 ? cost.toFixed(0) : cost.toPrecision(3);
}

/** What became of a step. */
export function stepText({ name, state, seconds, detail }: ReproductionStep): string {
  const time = seconds === null ? '' : `, ${seconds.toFixed(0)} s`;
  const words = { done: 'measured now', kept: 'kept from before', missing: 'NOT RUN', failed: 'FAILED' };
  return `step ${name}: ${words[state]}${time}${detail === undefined ? '' : `: ${detail}`}`;
}
