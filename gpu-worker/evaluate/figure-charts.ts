// The paper's figures drawn by Vega as SVG files that stand alone: in print, in grey, and for colour-blind readers.
import { type LoggerInterface, parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { ActivationRow, NccrSeries } from './figure-samples.ts';

/** Okabe and Ito, "Color Universal Design" (2008): blue, vermilion, green, purple, orange, sky blue. */
const okabeIto = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const;
const shapes = ['circle', 'triangle-up', 'square', 'diamond', 'cross', 'triangle-down'] as const;
const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [4, 1.5],
  [1, 3],
];

const config = {
  background: '#ffffff',
  font: 'sans-serif',
  view: { stroke: '#888888' },
  axis: { labelFontSize: 10, titleFontSize: 11, titleFontWeight: 'normal', gridColor: '#dddddd' },
  legend: { labelLimit: 400, labelFontSize: 11, titleFontSize: 11, titleFontWeight: 'normal' },
  header: { labelFontSize: 11, title: null },
} as const;

/** Vega tells a logger what fails and draws an empty figure: here that is a failure. */
const strictLogger: LoggerInterface = {
  level: ((level?: number) => (level === undefined ? 1 : strictLogger)) as LoggerInterface['level'],
  error: (...words) => {
    throw new Error(`Vega cannot draw the figure: ${words.map(String).join(' ')}`);
  },
  warn: () => strictLogger,
  info: () => strictLogger,
  debug: () => strictLogger,
};

/** Draws a specification. @throws Error where Vega cannot */
async function drawn(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none', logger: strictLogger });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}

/** Figure 1: activations of one layer, a row an image, a column a neuron; kinds of inputs below each other. */
export function activationFigure(rows: readonly ActivationRow[], layer: string): Promise<string> {
  const kinds = ['clean', 'with noise', 'adversarial'] as const;
  return drawn({
    config,
    vconcat: kinds.map((kind, index) => ({
      title: { text: kind, anchor: 'start', fontSize: 11 },
      width: 620,
      height: { step: 16 },
      data: {
        values: rows
          .filter((row) => row.kind === kind)
          .flatMap(({ image, label, predicted, values }) =>
            Array.from(values, (activation, neuron) => ({
              row: `${image}: ${label}${predicted === label ? '' : ` as ${predicted}`}`,
              neuron: neuron + 1,
              activation,
            })),
          ),
      },
      mark: 'rect',
      encoding: {
        x: {
          field: 'neuron',
          type: 'ordinal',
          title: index === kinds.length - 1 ? `neurons of ${layer}` : null,
          axis: { labels: false, ticks: false },
        },
        y: { field: 'row', type: 'ordinal', sort: null, title: null },
        // Its lightness rises all the way, so that it reads in grey too.
        color: { field: 'activation', type: 'quantitative', scale: { scheme: 'cividis' } },
      },
    })),
  });
}

/** Figure 3: box plots of the NCCR of clean and of adversarial inputs; the diamond is the mean. */
export function seriesFigure(series: readonly NccrSeries[], title: string): Promise<string> {
  const names = series.map(({ name }) => name);
  const values = series.flatMap(({ name, values: all }) => Array.from(all, (nccr) => ({ name, nccr })));
  const y = { field: 'name', type: 'nominal', sort: names, title: null } as const;
  const x = { field: 'nccr', type: 'quantitative', title, scale: { type: 'sqrt' } } as const;
  const range = names.map((_, index) => okabeIto[index % okabeIto.length]);
  return drawn({
    data: { values },
    config,
    width: 560,
    height: { step: 34 },
    layer: [
      {
        mark: {
          type: 'boxplot',
          extent: 1.5,
          size: 16,
          median: { color: '#000000', strokeWidth: 2 },
          outliers: { size: 10 },
        },
        encoding: {
          x,
          y,
          color: { field: 'name', type: 'nominal', legend: null, scale: { domain: names, range } },
        },
      },
      {
        mark: {
          type: 'point',
          shape: 'diamond',
          filled: true,
          size: 55,
          color: '#ffffff',
          stroke: '#000000',
          opacity: 1,
        },
        encoding: { x: { ...x, aggregate: 'mean' }, y },
      },
    ],
  });
}

/** Figures 4 and 5: NCCR by image, clean and with the trigger; the lines are the means. */
export function scatterFigure(series: readonly NccrSeries[], title: string): Promise<string> {
  const names = series.map(({ name }) => name);
  const values = series.flatMap(({ name, values: all }) =>
    Array.from(all, (nccr, image) => ({ name, image: image + 1, nccr })),
  );
  const pick = <T>(list: readonly T[]) => names.map((_, index) => list[index % list.length]);
  const y = { field: 'nccr', type: 'quantitative', title, scale: { zero: false } } as const;
  const color = {
    field: 'name',
    type: 'nominal',
    title: null,
    scale: { domain: names, range: pick(okabeIto) },
  } as const;
  return drawn({
    data: { values },
    config,
    width: 560,
    height: 260,
    layer: [
      {
        mark: { type: 'point', size: 22, strokeWidth: 1.1, opacity: 1 },
        encoding: {
          x: { field: 'image', type: 'quantitative', title: 'image' },
          y,
          color,
          shape: {
            field: 'name',
            type: 'nominal',
            title: null,
            scale: { domain: names, range: pick(shapes) },
          },
        },
      },
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: {
          y: { ...y, aggregate: 'mean' },
          color,
          strokeDash: {
            field: 'name',
            type: 'nominal',
            title: 'mean',
            scale: { domain: names, range: pick(dashes) },
          },
        },
      },
    ],
  });
}
