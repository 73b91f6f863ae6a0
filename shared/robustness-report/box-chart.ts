// Box plots one below the other: median, mean, box, whiskers and outliers of each (Figure 2 of the paper).
import { html } from 'hono/html';
import type { Box } from '../contracts/robustness-report.ts';
import type { Markup } from '../report/report-markup.ts';
import { unit } from '../screening-report/plot-frame.ts';
import { nccrText } from './compare-models.ts';
import { rowChart } from './row-chart.ts';

/** Half of a box's height. */
const half = 9;

/** What a chart is called and what its values are. */
export interface BoxChartText {
  readonly id: string;
  readonly title: string;
  readonly label: string;
}

/** Draws the boxes; the mean is a diamond, an outlier a ring. */
export function boxChart(
  boxes: readonly { readonly name: string; readonly box: Box }[],
  text: BoxChartText,
): Markup {
  const described = boxes.map(
    ({ name, box: { median, mean, quartiles, whiskers, outlier_count: outliers } }) =>
      `${name}: median ${nccrText(median)}, mean ${nccrText(mean)}, middle half ${quartiles.map(nccrText).join(' to ')}, whiskers ${whiskers.map(nccrText).join(' to ')}, ${outliers} outliers`,
  );
  return rowChart({
    ...text,
    description: `Box plots. ${described.join('; ')}.`,
    names: boxes.map(({ name }) => name),
    rowHeight: 34,
    most: Math.max(...boxes.flatMap(({ box }) => [box.whiskers[1], box.mean, ...box.outliers])),
    drawRow(row, middle, x) {
      const { median, mean, quartiles, whiskers, outliers } = boxes[row].box;
      const at = (value: number) => unit(x(value));
      const [first, third] = quartiles.map(at);
      const [low, high] = whiskers.map(at);
      const caps = [low, high].map((end) => `M${end} ${middle - half / 2}V${middle + half / 2}`).join('');
      return html`<path class="whisker" d="M${low} ${middle}H${first}M${third} ${middle}H${high}${caps}"/><rect class="box" x="${first}" y="${middle - half}" width="${unit(Math.max(0.5, third - first))}" height="${2 * half}"/><path class="median" d="M${at(median)} ${middle - half}V${middle + half}"/><path class="mean-mark" d="M0 -4.5L4 0L0 4.5L-4 0z" transform="translate(${at(mean)} ${middle})"/>${outliers.map((value) => html`<circle class="outlier" cx="${at(value)}" cy="${middle}" r="2.2"/>`)}`;
    },
  });
}
