// The head of a screening's page: the verdict in one sentence, and what is known of planted poison.
import { html } from 'hono/html';
import type { ScreeningReport, ScreeningTruth } from '../contracts/screening-report.ts';
import { areaText, countOf, countText, percentText } from '../report/figure-text.ts';
import type { Markup } from '../report/report-markup.ts';
import { classTitle } from './class-title.ts';

/** Poisoned classes that the head names; the table has all. */
const namedMax = 20;

/** The verdict box. */
export function headline(report: ScreeningReport): Markup {
  const { verdicts, poisoned, examples } = report.screening;
  const small = verdicts.filter(({ verdict }) => verdict === 'too_small');
  const judged = verdicts.length - small.length;
  const found = verdicts.filter((verdict) => verdict.verdict === 'poisoned');
  const suspects = found.reduce((sum, verdict) => sum + verdict.suspects.length, 0);
  const smallNote =
    small.length === 0
      ? ''
      : html`<p>${countOf(small.length, 'class is', 'classes are')} too small to judge (${countOf(
          small.reduce((sum, verdict) => sum + verdict.examples, 0),
          'example',
        )}): nothing is said of ${small.length === 1 ? 'it' : 'them'}.</p>`;
  const classes = found.slice(0, namedMax).map((verdict) => {
    const share = percentText(verdict.suspects.length / verdict.examples);
    const weak =
      verdict.direction === 'weak'
        ? ' It is not clear which of its clusters is the poison; the smaller was taken.'
        : '';
    return html`<li><b>${capital(classTitle(report, verdict.label))}</b>: ${countOf(verdict.suspects.length, 'suspect')} among ${countText(verdict.examples)} examples (${share}).${weak}</li>
`;
  });
  const more = found.length > namedMax ? html`<li>and ${found.length - namedMax} more in the table</li>` : '';
  return html`<section class="headline ${poisoned.length === 0 ? 'calm' : ''}">
<p class="label">${judged === 0 ? 'Not judged' : poisoned.length === 0 ? 'No poison found' : 'Poison found'}</p>
<p class="figure">${sentence({ judged, poisoned: poisoned.length })}</p>
<p>${countText(suspects)} of ${countOf(examples, 'example')} ${suspects === 1 ? 'is a suspect' : 'are suspects'}.</p>
${found.length === 0 ? '' : html`<ul>${classes}${more}</ul>`}
${smallNote}
${report.truth === undefined ? '' : truthNote(report, report.truth)}
</section>`;
}

function sentence({ judged, poisoned }: { judged: number; poisoned: number }): string {
  if (judged === 0) return 'No class has enough examples to be judged.';
  if (poisoned === 0) return `None of the ${countOf(judged, 'judged class', 'judged classes')} is poisoned.`;
  return `${countText(poisoned)} of ${countOf(judged, 'judged class', 'judged classes')} ${poisoned === 1 ? 'is' : 'are'} poisoned.`;
}

function truthNote(report: ScreeningReport, truth: ScreeningTruth): Markup {
  const { poison, true_positives, false_positives, f1, planted, false_classes, missed_classes } = truth;
  const named = (labels: readonly number[]) =>
    labels.length === 0 ? 'none' : labels.map((label) => classTitle(report, label)).join(', ');
  const score =
    f1 === null ? 'There is no F1, for nothing was planted and nothing found.' : `F1 ${areaText(f1)}.`;
  return html`<p><b>Against the truth:</b> ${score} ${countText(true_positives)} of ${countText(poison)} planted examples found, ${countOf(false_positives, 'other')} suspected. Planted in: ${named(planted)}. False classes: ${named(false_classes)}. Missed classes: ${named(missed_classes)}.</p>`;
}

/** A title at the beginning of a sentence. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
