// How the models of a chart are told apart: by shape and by colour, so that neither is needed alone.
import { html } from 'hono/html';
import type { Markup } from '../report/report-markup.ts';
import { curveColors } from '../report/report-style.ts';

/** Paths around (0, 0), some ten units wide: circle, triangle, square, diamond, cross, down-pointing triangle. */
const shapes = [
  'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z',
  'M0 -4.8L4.6 3.6H-4.6z',
  'M-3.7 -3.7H3.7V3.7H-3.7z',
  'M0 -5L4.4 0L0 5L-4.4 0z',
  'M-4 -1.5H-1.5V-4H1.5V-1.5H4V1.5H1.5V4H-1.5V1.5H-4z',
  'M0 4.8L4.6 -3.6H-4.6z',
] as const;

/** How a series looks. */
export interface SeriesLook {
  /** Outline around (0, 0). */
  readonly shape: string;
  /** A custom property of the page. */
  readonly color: string;
}

/** The look of series `index`: six shapes and five colours meet again after thirty series. */
export function seriesLook(index: number): SeriesLook {
  return { shape: shapes[index % shapes.length], color: curveColors[index % curveColors.length] };
}

/** A mark at a place of a drawing. */
export function mark({ shape, color }: SeriesLook, x: number, y: number): Markup {
  return html`<path d="${shape}" transform="translate(${x} ${y})" fill="${color}" stroke="var(--ground)" stroke-width=".8"/>`;
}

/** What each mark stands for. */
export function legend(names: readonly string[]): Markup {
  return html`<ul class="legend">
${names.map(
  (name, index) =>
    html`<li><svg class="key" viewBox="-7 -7 14 14" aria-hidden="true">${mark(seriesLook(index), 0, 0)}</svg>${name}</li>
`,
)}</ul>`;
}
