// ROC curves drawn by Vega as SVG text: it needs neither a browser nor a canvas for that.
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { RocPoint } from '../../shared/contracts/detection-table.ts';

/** One curve: where it goes and how it looks. */
export interface RocCurve {
  readonly points: readonly RocPoint[];
  /** Any CSS colour, a custom property of the page among them. */
  readonly color: string;
  /** Lengths of dashes and gaps; none for a solid line. */
  readonly dash: readonly number[];
}

/** Units of the drawing; the page scales it. */
const size = { width: 320, height: 230 };

/**
 * Draws ROC curves in one frame. The false positive rate is on a square root scale, so that 1 % can be seen.
 * @param curves the last is drawn on top
 * @returns an `svg` element for a page; its text takes the page's font and colour, `--rule` colours the grid
 */
export async function rocChart(curves: readonly RocCurve[]): Promise<string> {
  const view = new View(parse(compile(rocSpec(curves)).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  // A page needs no namespaces on an inline element, and reads no size but the view box's.
  return svg.replace(/<svg [^>]*>/, `<svg viewBox="0 0 ${size.width} ${size.height}" aria-hidden="true">`);
}

function rocSpec(curves: readonly RocCurve[]): TopLevelSpec {
  const series = curves.map((_, index) => index);
  const byCurve = { field: 'curve', type: 'nominal', legend: null } as const;
  return {
    ...size,
    padding: 2,
    autosize: { type: 'fit', contains: 'padding' },
    data: {
      values: curves.flatMap(({ points }, curve) =>
        points.map(([fpr, tpr], step) => ({ curve, step, fpr, tpr })),
      ),
    },
    mark: { type: 'line', strokeWidth: 1.8, strokeJoin: 'round' },
    encoding: {
      x: {
        field: 'fpr',
        type: 'quantitative',
        title: 'false positive rate',
        scale: { type: 'sqrt', domain: [0, 1] },
        axis: { values: [0.01, 0.05, 0.2, 0.5, 1], format: '~%' },
      },
      y: {
        field: 'tpr',
        type: 'quantitative',
        title: 'true positive rate',
        scale: { domain: [0, 1] },
        axis: { values: [0, 0.25, 0.5, 0.75, 1], format: '~%' },
      },
      order: { field: 'step' },
      color: { ...byCurve, scale: { domain: series, range: curves.map(({ color }) => color) } },
      strokeDash: { ...byCurve, scale: { domain: series, range: curves.map(({ dash }) => [...dash]) } },
    },
    config: {
      aria: false,
      background: 'transparent',
      font: 'inherit',
      view: { stroke: null },
      axis: {
        domainColor: 'var(--rule)',
        gridColor: 'var(--rule)',
        tickColor: 'var(--rule)',
        labelColor: 'currentColor',
        titleColor: 'currentColor',
        titleFontWeight: 'normal',
        labelFontSize: 10,
        titleFontSize: 11,
      },
    },
  };
}
