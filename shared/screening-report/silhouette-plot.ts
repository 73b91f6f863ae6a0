// The silhouette plot of one class: the coefficients of each cluster, falling, and their mean.
import { scaleLinear } from 'd3-scale';
import { html } from 'hono/html';
import type { ClassPicture } from '../contracts/screening-report.ts';
import { countText } from '../report/figure-text.ts';
import type { Markup } from '../report/report-markup.ts';
import type { ClusterLook } from './cluster-marks.ts';
import { bottomAxis, type PlotArea, plotFrame, plotSize, unit } from './plot-frame.ts';

const area: PlotArea = { left: 78, right: plotSize.width - 10, top: 20, bottom: plotSize.height - 36 };
/** Least height of a cluster's band, so that one percent of poison is seen, and the space between the bands. */
const bandMin = 26;
const bandGap = 8;

/**
 * Draws the plot. The bands are as high as their clusters have examples, but for a least height.
 * @see Rousseeuw (1987), section 3
 */
export function silhouettePlot(
  { label, clusters }: ClassPicture,
  { title, looks, mean }: { title: string; looks: readonly ClusterLook[]; mean: number },
): Markup {
  const lowest = Math.min(0, ...clusters.flatMap(({ silhouettes }) => silhouettes.slice(-1)));
  const x = scaleLinear([Math.max(-1, Math.floor(lowest * 5) / 5), 1], [area.left, area.right]);
  const heights = bandHeights(looks);
  const zero = unit(x(0));
  const bands = looks.map(({ index, mark, name, examples }, place) => {
    const top = area.top + (place === 0 ? 0 : heights[0] + bandGap);
    const middle = unit(top + heights[place] / 2);
    const values = clusters[index].silhouettes.map((value) => unit(x(value)));
    const outline = bandPath(values, { zero, top, height: heights[place] });
    const [first, ...others] = name.split(' ');
    const lines = [first, ...others, countText(examples)];
    return html`<path class="band ${mark}" d="${outline}"/><text class="title" text-anchor="end" y="${unit(middle - 6 * (lines.length - 2))}">${lines.map(
      (line, index) => html`<tspan x="${area.left - 6}" ${index === 0 ? '' : 'dy=12'}>${line}</tspan>`,
    )}</text>`;
  });
  const at = unit(x(mean));
  const description = `Silhouette coefficients of each cluster, falling. Their mean is ${mean.toFixed(3)}.`;
  return plotFrame({ id: `silhouette-${label}`, title: `Silhouettes of ${title}`, description }, [
    bottomAxis(x, area, 'silhouette coefficient'),
    ...bands,
    html`<path class="axis" d="M${zero} ${area.top}V${area.bottom}"/><path class="mean" d="M${at} ${area.top - 4}V${area.bottom}"/>`,
    html`<text class="title" text-anchor="${at > 250 ? 'end' : 'middle'}" x="${at}" y="${area.top - 8}">mean ${mean.toFixed(2)}</text>`,
  ]);
}

function bandHeights(looks: readonly ClusterLook[]): readonly number[] {
  const room = area.bottom - area.top - bandGap;
  const all = Math.max(1, looks[0].examples + looks[1].examples);
  const first = Math.min(room - bandMin, Math.max(bandMin, (room * looks[0].examples) / all));
  return [first, room - first];
}

/** Steps from the first coefficient down to the last, closed along zero. */
function bandPath(
  values: readonly number[],
  { zero, top, height }: { zero: number; top: number; height: number },
): string {
  const steps = values.map(
    (value, index) => `H${value}V${unit(top + ((index + 1) * height) / values.length)}`,
  );
  return `M${zero} ${unit(top)}${steps.join('')}H${zero}z`;
}
