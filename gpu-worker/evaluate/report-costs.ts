// What every way of scoring of a report costs, relative to one forward pass of the bare model.
import { html } from 'hono/html';
import type { DetectionTable, Quartiles } from '../../shared/contracts/detection-table.ts';
import { figureTable, type Markup, verdictList } from '../../shared/report/report-markup.ts';
import { type ScorerColumns, scorerTitle } from './report-names.ts';
import { costVerdicts } from './table-verdicts.ts';

/** The section with the times; it says so where a table has none. */
export function costSection(table: DetectionTable, { designs, baselines }: ScorerColumns): Markup {
  const { costs } = table;
  if (costs === undefined) {
    return html`<section>
<h2>Time per input</h2>
<p>No time was measured for this table.</p>
</section>`;
  }
  const head = html`<tr><th scope="col">one input</th><th scope="col">forward passes</th><th scope="col">mean time, bare pass = 1</th><th scope="col">time, bare pass = 1</th><th scope="col">milliseconds</th></tr>`;
  const body = [...designs, ...baselines].map((name) => {
    const { forwards, ratio, mean_ratio, ms } = costs.methods[name];
    return html`<tr><th scope="row">${scorerTitle(name)}</th><td>${forwards.toFixed(1)}</td><td>${mean_ratio.toFixed(2)}</td>${quartilesCell(ratio, 2)}${quartilesCell(ms, 3)}</tr>
`;
  });
  const { median } = costs.bare_ms;
  return html`<section>
<h2>Time per input</h2>
<p>${costs.inputs} clean inputs one by one, all ways of scoring in turn in one run, after a warm-up, on ${costs.device}; median and, below it, the middle half, and beside them the mean, by which ways of scoring are compared: a test that ends early is cheaper on most inputs than on average. A design’s time holds its copies, its run, its vector and its score. One forward pass of the bare model takes ${median.toFixed(3)} ms; a gradient takes ${costs.gradient_ratio.median.toFixed(2)} of them, and counts as that many.</p>
${figureTable('Time per input', head, body)}
${verdictList(costVerdicts(table))}
</section>`;
}

function quartilesCell({ median, quartiles: [low, high] }: Quartiles, digits: number): Markup {
  return html`<td>${median.toFixed(digits)}<small>${low.toFixed(digits)} to ${high.toFixed(digits)}</small></td>`;
}
