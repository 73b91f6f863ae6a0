// Values of several series by name: a row a name, a mark a value, an interval where there is one.
import { html } from 'hono/html';
import type { Markup } from '../report/report-markup.ts';
import { unit } from '../screening-report/plot-frame.ts';
import { nccrText } from './compare-models.ts';
import { rowChart } from './row-chart.ts';
import { mark, seriesLook } from './series-marks.ts';

/** One value. */
export interface Dot {
  /** Number of its row. */
  readonly row: number;
  /** Number of its series, which says how its mark looks. */
  readonly series: number;
  readonly value: number;
  readonly interval?: readonly [number, number];
}

/** What a chart shows. */
export interface DotChart {
  readonly id: string;
  readonly title: string;
  readonly label: string;
  readonly rows: readonly string[];
  readonly series: readonly string[];
  readonly dots: readonly Dot[];
}

/** Height of a row for each series in it, and beside them. */
const [seriesHeight, rowPadding] = [9, 8];

/** Draws the chart: series stand one below the other in their row, so that no mark hides another. */
export function dotChart({ id, title, label, rows, series, dots }: DotChart): Markup {
  const said = dots.map(({ row, series: of, value }) => `${rows[row]}, ${series[of]}: ${nccrText(value)}`);
  return rowChart({
    id,
    title,
    label,
    description: `${said.slice(0, 100).join('; ')}.`,
    names: rows,
    rowHeight: seriesHeight * series.length + rowPadding,
    most: Math.max(...dots.flatMap(({ value, interval }) => [value, interval?.[1] ?? 0])),
    drawRow(row, middle, x) {
      return dots
        .filter((dot) => dot.row === row)
        .map(({ series: of, value, interval }) => {
          const y = unit(middle + seriesHeight * (of - (series.length - 1) / 2));
          const look = seriesLook(of);
          const line =
            interval === undefined
              ? ''
              : html`<path d="M${unit(x(Math.max(0, interval[0])))} ${y}H${unit(x(interval[1]))}" stroke="${look.color}" stroke-width="2"/>`;
          return html`${line}${mark(look, unit(x(value)), y)}`;
        });
    },
  });
}
