// The frame of a chart with a row for each name: names to the left, one axis of values below.
import { type ScaleLinear, scaleLinear } from 'd3-scale';
import { html } from 'hono/html';
import type { Markup } from '../report/report-markup.ts';
import { bottomAxis, unit } from '../screening-report/plot-frame.ts';

/** Width of the drawing in its own units; the page scales it. */
const width = 640;
/** Space for names, and of the axis. */
const [left, right, top, foot] = [168, 12, 6, 36];
/** Characters of a name that fit beside the drawing. */
const nameCharacters = 26;

/** What a chart shows. */
export interface RowChart {
  /** Unique in its page. */
  readonly id: string;
  readonly title: string;
  /** For readers who do not see it. */
  readonly description: string;
  readonly label: string;
  readonly names: readonly string[];
  /** Height of a row in the units of the drawing. */
  readonly rowHeight: number;
  /** Largest value; the axis begins at 0. */
  readonly most: number;
  /** Draws a row around its middle. */
  readonly drawRow: (
    row: number,
    middle: number,
    x: ScaleLinear<number, number>,
  ) => Markup | readonly Markup[];
}

/** Draws the chart. */
export function rowChart(chart: RowChart): Markup {
  const { id, title, description, label, names, rowHeight, most, drawRow } = chart;
  const bottom = top + rowHeight * names.length;
  const area = { left, right: width - right, top, bottom };
  const x = scaleLinear([0, most > 0 ? most : 1], [area.left, area.right]).nice(5);
  const rows = names.map((name, row) => {
    const middle = unit(top + rowHeight * (row + 0.5));
    const rule =
      row === 0 ? '' : html`<path class="grid" d="M${left} ${top + rowHeight * row}H${area.right}"/>`;
    return html`${rule}<text class="title" text-anchor="end" x="${left - 8}" y="${unit(middle + 4)}">${shortName(name)}</text>${drawRow(row, middle, x)}`;
  });
  return html`<svg viewBox="0 0 ${width} ${bottom + foot}" role="img" aria-labelledby="${id}-title ${id}-description"><title id="${id}-title">${title}</title><desc id="${id}-description">${description}</desc>${bottomAxis(x, area, label)}${rows}</svg>`;
}

function shortName(name: string): string {
  return name.length <= nameCharacters ? name : `${name.slice(0, nameCharacters - 1)}…`;
}
