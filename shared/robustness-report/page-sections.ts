// The sections of a robustness page that have a chart of their own: sets of noise, layers, classes, earlier versions.
import { html } from 'hono/html';
import type { RobustnessReport } from '../contracts/robustness-report.ts';
import { percentText } from '../report/figure-text.ts';
import { figureTable, type Markup } from '../report/report-markup.ts';
import { nccrText } from './compare-models.ts';
import { type Dot, dotChart } from './dot-chart.ts';
import { legend } from './series-marks.ts';

/** Classes and earlier measurements that a chart has at most; the JSON has all. */
const rowsMax = 100;

/** The mean of every set of noise. */
export function setSection({ models, noise }: RobustnessReport): Markup {
  const dots = models.flatMap(({ relative }, series): Dot[] =>
    relative.sets.map((value) => ({ row: series, series: 0, value })),
  );
  return html`<section>
<h2>The sets of noise</h2>
<p>The mean over all images under each of the ${noise.sets} sets: how much of a difference the draw of the noise makes.</p>
<figure>${dotChart({
    id: 'sets',
    title: 'Relative NCCR by set of noise',
    label: 'relative NCCR',
    rows: models.map(({ name }) => name),
    series: ['a set'],
    dots,
  })}</figure>
</section>`;
}

/** Layers by their place, since models need not name them alike. */
export function layerSection({ models }: RobustnessReport): Markup {
  const read = models.filter((model) => model.per_layer.length > 0);
  if (read.length === 0) return html``;
  const depth = Math.max(...read.map((model) => model.per_layer.length));
  const rows = Array.from({ length: depth }, (_, place) => [
    ...new Set(models.flatMap(({ per_layer }) => per_layer[place]?.tensor ?? [])),
  ]);
  const dots = models.flatMap(({ per_layer: layers }, series) =>
    layers.map(({ relative }, row): Dot => ({ row, series, value: relative.mean, interval: relative.ci95 })),
  );
  return html`<section>
<h2>By layer</h2>
<p>Sum of the l2 norms of a layer’s changes over the sum of its activations’ norms, from the input to the output. Where it rises, the layer before it makes more of the noise than of the image.</p>
${legend(models.map(({ name }) => name))}
<figure>${dotChart({
    id: 'layers',
    title: 'Relative NCCR by layer',
    label: 'relative NCCR of the layer',
    rows: rows.map((names) => names.join(' / ')),
    series: models.map(({ name }) => name),
    dots,
  })}</figure>
</section>`;
}

/** Classes by the labels of the images. */
export function classSection({ models }: RobustnessReport): Markup {
  const labels = [...new Set(models.flatMap((model) => model.per_class.map(({ label }) => label)))].sort(
    (left, right) => left - right,
  );
  const shown = labels.slice(0, rowsMax);
  const dots = models.flatMap(({ per_class: classes }, series) =>
    classes
      .filter(({ label }) => shown.includes(label))
      .map(({ label, relative }): Dot => ({ row: shown.indexOf(label), series, value: relative })),
  );
  const note =
    shown.length < labels.length ? ` The first ${rowsMax} of ${labels.length} classes are drawn.` : '';
  return html`<section>
<h2>By class</h2>
<p>Mean over the images of each class.${note}</p>
${legend(models.map(({ name }) => name))}
<figure>${dotChart({
    id: 'classes',
    title: 'Relative NCCR by class',
    label: 'relative NCCR',
    rows: shown.map((label) => `class ${label}`),
    series: models.map(({ name }) => name),
    dots,
  })}</figure>
</section>`;
}

/** Earlier measurements on the same images and noise, and this one. */
export function trendSection({ earlier, models, created_at }: RobustnessReport): Markup {
  if (earlier.length === 0) return html``;
  const now = models.map(({ name, digest, relative, l2, accuracy }) => ({
    name,
    digest,
    created_at,
    relative,
    l2,
    clean: accuracy.clean,
    pgd: accuracy.pgd,
  }));
  const shown = [...earlier, ...now].slice(-rowsMax);
  const names = [...new Set(shown.map(({ name }) => name))];
  const rows = [...new Set(shown.map((one) => one.created_at))];
  const dots = shown.map(
    ({ name, created_at: at, relative }): Dot => ({
      row: rows.indexOf(at),
      series: names.indexOf(name),
      value: relative.mean,
      interval: relative.ci95,
    }),
  );
  const head = html`<tr><th scope="col">made</th><th scope="col">model</th><th scope="col">file</th><th scope="col">relative NCCR</th><th scope="col">raw l2 NCCR</th><th scope="col">clean</th><th scope="col">PGD</th></tr>`;
  const body = shown.map(
    ({ name, digest, created_at: at, relative, l2, clean, pgd }) =>
      html`<tr><th scope="row">${at}</th><td>${name}</td><td>${digest.slice(7, 19)}</td><td>${nccrText(relative.mean)}</td><td>${nccrText(l2.mean)}</td><td>${percentText(clean)}</td><td>${pgd === null ? '–' : percentText(pgd)}</td></tr>
`,
  );
  return html`<section>
<h2>Versions</h2>
<p>Earlier reports on the same images under the same noise, and this one last. A line is a 95 % interval.</p>
${legend(names)}
<figure>${dotChart({
    id: 'trend',
    title: 'Relative NCCR by version',
    label: 'relative NCCR',
    rows: rows.map((at) => at.slice(0, 16).replace('T', ' ')),
    series: names,
    dots,
  })}</figure>
${figureTable('Versions', head, body)}
</section>`;
}
