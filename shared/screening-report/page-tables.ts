// The tables of a screening's page: every class with its figures, and what was screened with what.
import { html } from 'hono/html';
import { type ClassVerdict, outlierRowsOf } from '../contracts/screening.ts';
import type { ScreeningReport } from '../contracts/screening-report.ts';
import { countText } from '../report/figure-text.ts';
import { figureTable, type Markup } from '../report/report-markup.ts';
import { classTitle } from './class-title.ts';
import { clusterLooks } from './cluster-marks.ts';
import { capital } from './page-headline.ts';

/** Classes that the table has: more make a page of many MB. */
const rowsMax = 2_000;

/** Classes whose outliers the page lists. */
const outlierClassesMax = 200;

/** The table of classes: the poisoned ones first, then by falling evidence, then those that were too small. */
export function classesSection(report: ScreeningReport): Markup {
  const { verdicts, rule, classes } = report.screening;
  const entropyMax = Math.log2(classes - 1);
  const sorted = verdicts.toSorted(
    (left, right) =>
      rankOf(left) - rankOf(right) || evidenceOf(right) - evidenceOf(left) || left.label - right.label,
  );
  const left = sorted.length - rowsMax;
  const head = html`<tr><th scope="col">class</th><th scope="col" class="word">verdict</th><th scope="col">examples</th><th scope="col">clusters</th><th scope="col">evidence<small>poison from ${rule.evidence_min}</small></th><th scope="col">separation<small>deviations</small></th><th scope="col">higher entropy<small>of ${entropyMax.toFixed(2)} bits</small></th><th scope="col">lower entropy<small>bits</small></th><th scope="col">first component<small>poison from ${rule.first_separation_min}</small></th><th scope="col">silhouette<small>decides nothing</small></th></tr>`;
  return html`<section>
<h2>All classes</h2>
<p>A class is poisoned where its evidence, or its separation along the first component, reaches its bound; figures that do are bold.${left > 0 ? ` ${countText(left)} clean or small classes more are in the JSON report.` : ''}</p>
${figureTable(
  'Classes',
  head,
  sorted.slice(0, rowsMax).map((verdict) => classRow(report, verdict)),
)}
</section>`;
}

function classRow(report: ScreeningReport, verdict: ClassVerdict): Markup {
  const { rule } = report.screening;
  const title = html`<th scope="row">${capital(classTitle(report, verdict.label))}</th>`;
  if (verdict.verdict === 'too_small') {
    return html`<tr>${title}<td class="word">too small</td><td>${countText(verdict.examples)}</td><td>–</td><td>–</td><td>–</td><td>–</td><td>–</td><td>–</td><td>–</td></tr>
`;
  }
  const [first, second] = clusterLooks(verdict);
  const [higher, lower] = [first.entropyBits, second.entropyBits].sort((left, right) => right - left);
  const spread = verdict.evidence >= rule.evidence_min ? 'best' : '';
  const apart = verdict.first_separation >= rule.first_separation_min ? 'best' : '';
  const word =
    verdict.verdict === 'poisoned'
      ? html`<span class="mark">▲ poisoned</span>${verdict.direction === 'weak' ? html`<small>direction weak</small>` : ''}`
      : 'clean';
  const outliers = verdict.outliers > 0 ? html`<small>${countText(verdict.outliers)} outliers</small>` : '';
  const estimate = verdict.silhouette_exact ? '' : '≈ ';
  return html`<tr>${title}<td class="word">${word}</td><td>${countText(verdict.examples)}</td><td>${countText(first.examples)} + ${countText(second.examples)}${outliers}</td><td class="${spread}">${verdict.evidence.toFixed(2)}</td><td>${verdict.separation.toFixed(2)}</td><td>${higher.toFixed(2)}</td><td>${lower.toFixed(2)}</td><td class="${apart}">${verdict.first_separation.toFixed(2)}</td><td>${estimate}${verdict.silhouette.toFixed(3)}</td></tr>
`;
}

function rankOf({ verdict }: ClassVerdict): number {
  return verdict === 'poisoned' ? 0 : verdict === 'clean' ? 1 : 2;
}

function evidenceOf(verdict: ClassVerdict): number {
  return verdict.verdict === 'too_small' ? 0 : verdict.evidence;
}

/** Examples that were set aside as outliers; undefined where there are none. */
export function outliersSection(report: ScreeningReport): Markup | undefined {
  const set = report.screening.verdicts.flatMap((verdict) =>
    verdict.verdict !== 'too_small' && verdict.outliers > 0 ? [verdict] : [],
  );
  if (set.length === 0) return undefined;
  const left = set.length - outlierClassesMax;
  const head = html`<tr><th scope="col">class</th><th scope="col">outliers</th><th scope="col" class="word">rows in the data set</th></tr>`;
  const rowOf = (verdict: (typeof set)[number]) => {
    const rows = outlierRowsOf(verdict);
    const more = verdict.outliers - rows.length;
    const told =
      rows.length === 0 ? 'not listed' : rows.join(', ') + (more > 0 ? ` and ${countText(more)} more` : '');
    return html`<tr><th scope="row">${capital(classTitle(report, verdict.label))}</th><td>${countText(verdict.outliers)}</td><td class="word rows">${told}</td></tr>
`;
  };
  return html`<section>
<h2>Set aside</h2>
<p>Clusters of fewer than ${report.screening.rule.cluster_examples_min} examples, which lie far from all others of their class. They may be mislabelled, damaged, or poison of a handful: look at them.${left > 0 ? ` Those of ${countText(left)} classes more are in the JSON report.` : ''}</p>
${figureTable('Outliers', head, set.slice(0, outlierClassesMax).map(rowOf))}
</section>`;
}

/** What was screened, with which model, how and when. */
export function provenanceSection(report: ScreeningReport): Markup {
  const { dataset, model, mode, screening, times, versions, id } = report;
  const facts: [string, string][] = [
    ...(id === undefined ? [] : [['screening', id] satisfies [string, string]]),
    ['data set', `${dataset.name}, ${dataset.format}, ${countText(screening.examples)} examples`],
    ['its digest', dataset.digest],
    ['model', `${model.name}, ${countText(screening.classes)} classes`],
    ['its digest', model.digest],
    ...(model.compiled_digest === undefined
      ? []
      : [['compiled', model.compiled_digest] satisfies [string, string]]),
    ['vectors', modeTexts[mode]],
    ['seed', String(screening.seed)],
    ...(times === undefined
      ? []
      : [['time', `${times.started_at} to ${times.finished_at}`] satisfies [string, string]]),
    ...Object.entries(versions).sort(([left], [right]) => (left < right ? -1 : 1)),
  ];
  return html`<section>
<h2>What was screened</h2>
<div class="scroll" tabindex="0" role="region" aria-label="What was screened"><table class="facts"><tbody>
${facts.map(
  ([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>
`,
)}
</tbody></table></div>
</section>`;
}

const modeTexts = {
  nccr: 'NCCR: how far the penultimate activations move under noise that destroys the image',
  activation: 'the penultimate activations themselves',
} as const;
