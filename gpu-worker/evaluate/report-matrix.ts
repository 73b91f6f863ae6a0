// The train-by-test matrix of a report, beside the paper's.
import { html } from 'hono/html';
import type { DetectionTable, MatrixRow } from '../../shared/contracts/detection-table.ts';
import { areaText } from '../../shared/report/figure-text.ts';
import { edge, figureTable, type Markup } from '../../shared/report/report-markup.ts';
import { attackTitle, scorerTitle, trainingTitle } from './report-names.ts';

/** The section with the matrix; nothing where a table has none. */
export function matrixSection({ matrix = [] }: DetectionTable): Markup {
  if (matrix.length === 0) return html``;
  const designs = Map.groupBy(matrix, ({ design }) => design);
  return html`<section>
<h2>Trained on one attack, tested on each</h2>
<p>AUROC of a detector that is trained on the smallest examples of one attack and on no others; Combine is FGSM, PGD and JSMA. Each design is its own recipe but for these examples. In a cell’s second line the paper’s figures for its own networks (tables 3 and 4, in that order), where it has one.</p>
${Array.from(designs, ([design, rows]) => matrixTable(design, rows))}
</section>`;
}

function matrixTable(design: string, rows: readonly MatrixRow[]): Markup {
  const attacks = Object.keys(rows[0].cells);
  const head = html`<tr><th></th><th scope="colgroup" class="group" colspan="${attacks.length}">tested on</th></tr>
<tr><th scope="col">${scorerTitle(design)}, trained on</th>${attacks.map((attack) => html`<th scope="col">${attackTitle(attack).replace(', smallest', '')}</th>`)}</tr>`;
  const body = rows.map(
    ({ trained_on, cells }) =>
      html`<tr><th scope="row">${trainingTitle(trained_on)}</th>${attacks.map((attack, index) => matrixCell(cells[attack], edge(index)))}</tr>
`,
  );
  return figureTable(`Train-by-test matrix of ${scorerTitle(design)}`, head, body);
}

function matrixCell({ auroc, paper = {} }: MatrixRow['cells'][string], side: string): Markup {
  const theirs = Object.values(paper);
  const below = theirs.length === 0 ? '' : html`<small>paper ${theirs.map(areaText).join('; ')}</small>`;
  return html`<td class="${side}">${areaText(auroc.mean)}${below}</td>`;
}
