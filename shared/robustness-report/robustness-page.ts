// A robustness report as one self-contained HTML page, drawn alike by the command line and by the edge.
import { html, raw } from 'hono/html';
import type { ModelRobustness, RobustnessReport } from '../contracts/robustness-report.ts';
import { countOf, percentText } from '../report/figure-text.ts';
import { figureTable, type Markup, verdictList } from '../report/report-markup.ts';
import { reportStyle } from '../report/report-style.ts';
import { boxChart } from './box-chart.ts';
import { compareModels, comparisonText, nccrText } from './compare-models.ts';
import { classSection, layerSection, setSection, trendSection } from './page-sections.ts';
import { robustnessStyle } from './robustness-style.ts';

/** What the page may load: nothing but its own style. Whoever serves it sends this as a header too. */
export const robustnessPagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * Writes the page. It needs no script, loads nothing, and reads in light, dark and print.
 * @throws Error where a figure is not a finite number
 */
export async function robustnessPage(report: RobustnessReport): Promise<string> {
  const { models } = report;
  const title = `Robustness of ${models.map(({ name }) => name).join(', ')}`;
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${raw(robustnessPagePolicy)}">
<title>${title}</title>
<style>${raw(reportStyle + robustnessStyle)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p class="quiet">${provenance(report)}</p>
${headline(report)}
${boxSection(report)}
${accuracySection(report)}
${setSection(report)}
${layerSection(report)}
${classSection(report)}
${trendSection(report)}
${limitsSection()}
</main>
</body>
</html>
`;
  return String(page);
}

function provenance({ dataset, noise, attack, device, created_at }: RobustnessReport): string {
  const attacked =
    attack === null
      ? 'Nothing was attacked'
      : `PGD of ${attack.steps} steps at ${attack.epsilon.toPrecision(3)} on the first ${attack.images} of them`;
  return `${countOf(dataset.images, 'image')} of ${dataset.name}. ${noise.sets} sets of Gaussian noise of at most ${noise.epsilon.toPrecision(3)} (deviation half of it), the same for every model. ${attacked}. Made ${created_at} on ${device}.`;
}

/** The model that changes least, or the one figure of the only model. */
function headline({ models }: RobustnessReport): Markup {
  const least = models.reduce((low, one) => (one.relative.mean < low.relative.mean ? one : low));
  const { mean, ci95 } = least.relative;
  const figure = `${least.name}: NCCR ${nccrText(mean)}`;
  const sentences = (['relative', 'l2'] as const).flatMap((unit) =>
    compareModels(models, unit).map((comparison) => ({
      holds: comparison.isSure,
      sentence: comparisonText(comparison, unit),
    })),
  );
  return html`<section class="headline">
<p class="label">${models.length === 1 ? 'Relative NCCR' : 'Changes least under noise'}</p>
<p class="figure">${figure}</p>
<p>On average its logits move by ${percentText(mean)} of their own spread (95 % over the sets of noise: ${nccrText(ci95[0])} to ${nccrText(ci95[1])}).</p>
${sentences.length === 0 ? '' : verdictList(sentences)}
</section>`;
}

function boxSection({ models }: RobustnessReport): Markup {
  const chart = (unit: 'relative' | 'l2', title: string, label: string) => html`<figure>
<figcaption>${title}</figcaption>
${boxChart(
  models.map((model) => ({ name: model.name, box: model[unit].box })),
  { id: `box-${unit}`, title, label },
)}
</figure>`;
  const stored = models.some(({ relative, l2 }) =>
    [relative, l2].some(({ box }) => box.outliers.length < box.outlier_count),
  );
  return html`<section>
<h2>NCCR of the images</h2>
<p>A value is an image’s mean over the sets of noise. The box is the middle half, its line the median, the diamond the mean; whiskers end at the last value within one and a half boxes, rings lie beyond.${stored ? ' Of the rings, those farthest out are drawn.' : ''}</p>
${chart('relative', 'Relative NCCR: change of the centred logits over their norm', 'relative NCCR')}
${chart('l2', 'Raw NCCR: l2 norm of the change of the logits', 'l2 of the change of the logits')}
<p class="quiet">Raw values are in the unit of each model’s own logits: a model whose logits are larger has larger ones without being less robust. Models are compared by the relative NCCR.</p>
</section>`;
}

function accuracySection({ models }: RobustnessReport): Markup {
  const head = html`<tr><th scope="col">model</th><th scope="col">relative NCCR</th><th scope="col">raw l2 NCCR</th><th scope="col">clean</th><th scope="col">PGD</th><th scope="col">random noise</th></tr>`;
  const measured = ({ mean, ci95: [low, high] }: ModelRobustness['relative']) =>
    html`<td>${nccrText(mean)}<small>${nccrText(low)} to ${nccrText(high)}</small></td>`;
  const body = models.map(
    ({ name, relative, l2, accuracy: { clean, pgd, random_noise: noisy } }) =>
      html`<tr><th scope="row">${name}</th>${measured(relative)}${measured(l2)}<td>${percentText(clean)}</td><td>${pgd === null ? '–' : percentText(pgd)}</td><td>${percentText(noisy.mean)}<small>${percentText(noisy.ci95[0], '')} to ${percentText(noisy.ci95[1], '')}</small></td></tr>
`,
  );
  return html`<section>
<h2>Accuracy beside it</h2>
<p>As Tables 1 and 2 of the paper: share of the images that a model labels right, as they are, under PGD, and under the noise that NCCR is measured with. The second line is a 95 % interval over the sets of noise.</p>
${figureTable('Accuracy', head, body)}
</section>`;
}

function limitsSection(): Markup {
  return html`<section>
<h2>What this does not say</h2>
<ul>
<li>NCCR is measured with random noise. A low one goes with, and does not prove, that an attack with gradients finds little: the column PGD is measured, and a stronger attack may do more.</li>
<li>A model that hardly looks at its input changes little as well: read NCCR beside the clean accuracy.</li>
<li>Intervals are over the draws of noise, for these images alone; other images may move all models.</li>
</ul>
</section>`;
}
