// The frame of a small plot: its size, its axes, and what a reader who does not see it is told.
import type { ScaleLinear } from 'd3-scale';
import { html } from 'hono/html';
import type { Markup } from '../report/report-markup.ts';

/** Units of the drawing; the page scales it. */
export const plotSize = { width: 320, height: 232 } as const;

/** Where in the drawing the axes stand. */
export interface PlotArea {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Name and description of a plot; the id is unique in its page. */
export interface PlotTitle {
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

/** Puts a drawing into an `svg` element that says what it shows. */
export function plotFrame({ id, title, description }: PlotTitle, drawing: readonly Markup[]): Markup {
  return html`<svg viewBox="0 0 ${plotSize.width} ${plotSize.height}" role="img" aria-labelledby="${id}-title ${id}-description"><title id="${id}-title">${title}</title><desc id="${id}-description">${description}</desc>${drawing}</svg>`;
}

/** The horizontal axis with its grid. */
export function bottomAxis(
  scale: ScaleLinear<number, number>,
  { left, right, top, bottom }: PlotArea,
  label: string,
): Markup {
  const format = scale.tickFormat(5);
  const ticks = scale.ticks(5).map((tick) => ({ x: unit(scale(tick)), text: format(tick) }));
  const grid = ticks.map(({ x }) => `M${x} ${top}V${bottom}`).join('');
  return html`<path class="grid" d="${grid}"/><path class="axis" d="M${left} ${bottom}H${right}"/><g class="ticks" text-anchor="middle">${ticks.map(
    ({ x, text }) => html`<text x="${x}" y="${bottom + 13}">${text}</text>`,
  )}</g><text class="title" text-anchor="middle" x="${(left + right) / 2}" y="${bottom + 29}">${label}</text>`;
}

/** The vertical axis with its grid. */
export function leftAxis(
  scale: ScaleLinear<number, number>,
  { left, right, top, bottom }: PlotArea,
  label: string,
): Markup {
  const format = scale.tickFormat(5);
  const ticks = scale.ticks(5).map((tick) => ({ y: unit(scale(tick)), text: format(tick) }));
  const grid = ticks.map(({ y }) => `M${left} ${y}H${right}`).join('');
  const middle = (top + bottom) / 2;
  return html`<path class="grid" d="${grid}"/><path class="axis" d="M${left} ${top}V${bottom}"/><g class="ticks" text-anchor="end">${ticks.map(
    ({ y, text }) => html`<text x="${left - 5}" y="${unit(y + 3.5)}">${text}</text>`,
  )}</g><text class="title" text-anchor="middle" transform="translate(11 ${middle}) rotate(-90)">${label}</text>`;
}

/** A coordinate to a tenth of a unit: finer is not seen, and the page is smaller. */
export function unit(value: number): number {
  return Math.round(10 * value) / 10;
}
