// Pictures of scores: a histogram, and one score on a line, each with the threshold.
import { drawing } from './element.ts';
import type { Bar } from './histogram.ts';
import { scoreText } from './say-verdict.ts';

/** Extents of the histogram in its own units. */
const plot = { height: 260, left: 46, bottom: 34, top: 22, right: 10 };

/** How a histogram is drawn. */
export interface PlotOptions {
  readonly threshold: number;
  /** What it shows, for those who do not see it. */
  readonly label: string;
  /** In pixels of the page, so that the writing is as large as any other. */
  readonly width: number;
  /** What the calibration expects of each bar, where it says so. */
  readonly expected: readonly number[] | undefined;
}

/** Draws bars; their heights are on a square root scale, since a few attacks stand beside thousands of clean inputs. */
export function scorePlot(
  bars: readonly Bar[],
  { threshold, label, width, expected }: PlotOptions,
): SVGSVGElement {
  const [lowest, highest] = [bars[0].from, bars.at(-1)!.to];
  const most = Math.max(1, ...bars.map(({ count }) => count), ...(expected ?? []));
  const across = (score: number) =>
    plot.left + ((score - lowest) / (highest - lowest)) * (width - plot.left - plot.right);
  const floor = plot.height - plot.bottom;
  const up = (count: number) => floor - Math.sqrt(count / most) * (floor - plot.top);
  const ticks = [1, Math.round(most / 4), Math.round(most)].filter(
    (tick, index, all) => tick > 0 && all.indexOf(tick) === index,
  );
  return drawing(
    'svg',
    {
      viewBox: `0 0 ${width} ${plot.height}`,
      role: 'img',
      'aria-label': `${label}, threshold ${scoreText(threshold)}`,
    },
    ...bars.map(({ from, to, count }) =>
      drawing('rect', {
        class: from >= threshold ? 'over' : 'under',
        x: across(from) + 0.5,
        width: Math.max(1, across(to) - across(from) - 1),
        y: up(count),
        height: floor - up(count),
      }),
    ),
    ...(expected === undefined
      ? []
      : [
          drawing('path', {
            class: 'expected',
            d: `M${across(lowest)} ${floor}${bars.map(({ from, to }, bar) => `L${across(from)} ${up(expected[bar])}H${across(to)}`).join('')}V${floor}`,
          }),
        ]),
    drawing('path', { class: 'axis', d: `M${plot.left} ${plot.top}V${floor}H${width - plot.right}` }),
    ...ticks.map((tick) => text(String(tick), { x: plot.left - 6, y: up(tick) + 4, 'text-anchor': 'end' })),
    ...[lowest, (lowest + highest) / 2, highest].map((score, index) =>
      text(scoreText(score), {
        x: across(score),
        y: floor + 16,
        'text-anchor': ['start', 'middle', 'end'][index],
      }),
    ),
    drawing('line', {
      class: 'threshold',
      x1: across(threshold),
      x2: across(threshold),
      y1: plot.top - 6,
      y2: floor,
    }),
    text(`threshold ${scoreText(threshold)}`, {
      x: across(threshold),
      y: 12,
      'text-anchor': threshold > (lowest + highest) / 2 ? 'end' : 'start',
    }),
    text('score; heights on a square root scale', {
      x: width - plot.right,
      y: plot.height - 2,
      'text-anchor': 'end',
    }),
  );
}

/** Draws one score beside its threshold, on a line of both and the room around them. */
export function scoreLine(score: number, threshold: number): SVGSVGElement {
  const reach = Math.max(4, 1.25 * Math.abs(score - threshold));
  const across = (value: number) => 160 + ((value - threshold) / reach) * 145;
  const kind = score > threshold ? 'over' : 'under';
  return drawing(
    'svg',
    {
      viewBox: '0 0 320 64',
      role: 'img',
      'aria-label': `Score ${scoreText(score)}, threshold ${scoreText(threshold)}`,
    },
    drawing('rect', { class: 'band', x: 5, y: 22, width: 310, height: 16, rx: 8 }),
    drawing('rect', {
      class: kind,
      x: Math.min(160, across(score)),
      y: 26,
      width: Math.abs(across(score) - 160),
      height: 8,
    }),
    drawing('line', { class: 'threshold', x1: 160, x2: 160, y1: 16, y2: 44 }),
    drawing('circle', { class: `dot ${kind}`, cx: across(score), cy: 30, r: 8 }),
    text(`threshold ${scoreText(threshold)}`, { x: 160, y: 12, 'text-anchor': 'middle' }),
    text(`score ${scoreText(score)}`, {
      x: Math.min(285, Math.max(35, across(score))),
      y: 58,
      'text-anchor': 'middle',
    }),
  );
}

function text(content: string, attributes: Parameters<typeof drawing>[1]): SVGTextElement {
  return drawing('text', attributes, content);
}
