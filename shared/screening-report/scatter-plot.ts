// The examples of one class along their first two principal components.
import { scaleLinear } from 'd3-scale';
import { html } from 'hono/html';
import type { ClassPicture } from '../contracts/screening-report.ts';
import { countOf, countText } from '../report/figure-text.ts';
import type { Markup } from '../report/report-markup.ts';
import { type ClusterLook, markPath } from './cluster-marks.ts';
import { bottomAxis, leftAxis, type PlotArea, plotFrame, plotSize } from './plot-frame.ts';

const area: PlotArea = { left: 44, right: plotSize.width - 8, top: 8, bottom: plotSize.height - 36 };

/** Draws the points of a class; the cluster of fewer examples lies on top. */
export function scatterPlot(
  { label, clusters }: ClassPicture,
  { title, looks }: { title: string; looks: readonly ClusterLook[] },
): Markup {
  const points = clusters.flatMap((cluster) => cluster.points);
  const x = scaleLinear(extent(points.map((point) => point[0])), [area.left, area.right]).nice(5);
  const y = scaleLinear(extent(points.map((point) => point[1])), [area.bottom, area.top]).nice(5);
  const drawn = looks.toSorted((left, right) => right.examples - left.examples);
  const marks = drawn.map(({ index, mark }) => {
    const places = clusters[index].points.map((point) => [x(point[0]), y(point[1])] as const);
    return html`<path class="${mark}" d="${markPath(mark, places)}"/>`;
  });
  const parts = looks.map(({ index, name, examples }) => {
    const shown = clusters[index].points.length;
    return `${name}: ${shown === examples ? '' : `${countText(shown)} drawn of `}${countOf(examples, 'example')}`;
  });
  const description = `Scatter plot of the first two principal components. ${parts.join('; ')}.`;
  return plotFrame({ id: `scatter-${label}`, title: `Clusters of ${title}`, description }, [
    leftAxis(y, area, 'component 2'),
    bottomAxis(x, area, 'component 1'),
    ...marks,
  ]);
}

/** Lowest and highest value, a unit apart where there is but one, and of no points 0 and 1. */
function extent(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}
