// One self-contained HTML page from a detection table: the worst attack first, the figures, the curves, and their limits.
import { html, raw } from 'hono/html';
import type {
  DetectionTable,
  RateInterval,
  Spread,
  TableCell,
  TableRow,
} from '../../shared/contracts/detection-table.ts';
import { areaText, percentText } from '../../shared/report/figure-text.ts';
import { edge, figureTable, type Markup, verdictList } from '../../shared/report/report-markup.ts';
import { reportStyle } from '../../shared/report/report-style.ts';
import { type PaperTable, paperTablesOf, paperTrainingSets } from './paper-figures.ts';
import { costSection } from './report-costs.ts';
import { curveSection } from './report-curves.ts';
import { limitsSection } from './report-limits.ts';
import { matrixSection } from './report-matrix.ts';
import { attackTitle, type ScorerColumns, scorerColumns, scorerTitle } from './report-names.ts';
import { marginVerdicts } from './table-verdicts.ts';

/**
 * Writes the page. It needs no script, loads nothing, and reads in light, dark and print.
 * @throws Error where a figure is not a finite number
 */
export async function reportPage(table: DetectionTable): Promise<string> {
  const columns = scorerColumns(table);
  const paper = paperTablesOf(table);
  const model = table.model.slice(table.model.lastIndexOf('/') + 1);
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Detection on ${model}</title>
<style>${raw(reportStyle)}</style>
</head>
<body>
<main>
<h1>Detection of adversarial examples on ${model}</h1>
<p class="quiet">${provenance(table)}</p>
${headline(table, columns)}
${marginSection(table)}
${aurocSection(table, columns, paper)}
${rateSection(table, columns)}
${falsePositiveSection(table, columns)}
${costSection(table, columns)}
${matrixSection(table)}
${await curveSection(table, columns)}
${paper.length > 0 ? paperSection(table, columns, paper) : ''}
${limitsSection()}
</main>
</body>
</html>
`;
  return String(page);
}

function provenance({ dataset, images, seeds }: DetectionTable): string {
  const from = dataset === undefined ? '' : `Test inputs from ${dataset}. `;
  const detectors = seeds.length === 1 ? 'one detector' : `${seeds.length} detectors`;
  return `${from}${images.training} images to train on, ${images.threshold} others for the threshold, ${images.test} to test on; ${detectors} of each design, figures are means over their seeds.`;
}

/** The worst attack of each design; the design whose worst is the least bad gives the headline. */
function headline({ rows }: DetectionTable, { designs, baselines }: ScorerColumns): Markup {
  const judged = designs.length > 0 ? designs : baselines;
  const worst = judged
    .map((name) => ({
      name,
      row: rows.reduce((low, row) => (row.cells[name].auroc.mean < low.cells[name].auroc.mean ? row : low)),
    }))
    .sort((a, b) => b.row.cells[b.name].auroc.mean - a.row.cells[a.name].auroc.mean);
  const [{ name, row }] = worst;
  const cell = row.cells[name];
  return html`<section class="headline">
<p class="label">Worst attack</p>
<p class="figure">${attackTitle(row.attack)}: AUROC ${areaText(cell.auroc.mean)}</p>
<p>That is against ${scorerTitle(name)}, which loses least to its worst attack: it catches ${percentText(cell.tpr_at_fpr_5.mean)} of these examples where 5 % of clean inputs are flagged, and ${percentText(cell.tpr_at_fpr_1.mean)} where 1 % are. ${marginVerdict(rows, name)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Worst attack of each design">
<table><thead><tr><th>worst attack of each design</th><th>attack</th><th>AUROC</th><th>caught at 5 %</th><th>at 1 %</th><th>margin, AUROC</th></tr></thead><tbody>
${worst.map((each) => worstRow(each.row, each.name))}
</tbody></table></div>
</section>`;
}

function worstRow({ attack, cells }: TableRow, name: string): Markup {
  const { auroc, tpr_at_fpr_5, tpr_at_fpr_1 } = cells[name];
  const margin = Object.hasOwn(cells, 'margin') ? areaText(cells.margin.auroc.mean) : 'not measured';
  return html`<tr><th scope="row">${scorerTitle(name)}</th><td>${attackTitle(attack)}</td><td>${areaText(auroc.mean)}</td><td>${percentText(tpr_at_fpr_5.mean)}</td><td>${percentText(tpr_at_fpr_1.mean)}</td><td>${margin}</td></tr>
`;
}

/** Where the plain margin of one forward pass does better; a detector that does not beat it says so. */
function marginVerdict(rows: readonly TableRow[], name: string): string {
  if (name === 'margin' || !Object.hasOwn(rows[0].cells, 'margin')) return '';
  const lost = rows.filter(({ cells }) => cells.margin.auroc.mean > cells[name].auroc.mean);
  return lost.length === 0
    ? 'The plain logit margin of one forward pass does better on no set.'
    : `The plain logit margin of one forward pass does better on ${lost.length} of ${rows.length} sets: ${lost.map(({ attack }) => attackTitle(attack)).join('; ')}.`;
}

/** The margin comes first: each design says whether it beats one forward pass. */
function marginSection(table: DetectionTable): Markup {
  const verdicts = marginVerdicts(table);
  if (verdicts.length === 0) return html``;
  return html`<section>
<h2>Does it beat the logit margin?</h2>
<p>The margin needs one forward pass, no training and no copies: a design that does not beat it is not worth its time there.</p>
${verdictList(verdicts)}
</section>`;
}

function columnHeads({ designs, baselines }: ScorerColumns): Markup[] {
  return [
    ...designs.map((name) => html`<th scope="col">${scorerTitle(name)}</th>`),
    ...baselines.map((name, index) => html`<th scope="col" class="${edge(index)}">${scorerTitle(name)}</th>`),
  ];
}

function groupHeads({ designs, baselines }: ScorerColumns): Markup[] {
  const group = (title: string, { length }: readonly string[], side: string) =>
    length === 0
      ? html``
      : html`<th scope="colgroup" class="group ${side}" colspan="${length}">${title}</th>`;
  return [group('designs, measured here', designs, ''), group('baselines, measured here', baselines, 'edge')];
}

function aurocSection(
  { rows }: DetectionTable,
  columns: ScorerColumns,
  paper: readonly PaperTable[],
): Markup {
  const paperHead =
    paper.length === 0
      ? ''
      : html`<th scope="colgroup" class="group edge" colspan="${paper.length}">the paper’s NCCR, trained on Combine</th>`;
  const head = html`<tr><th></th><th></th>${groupHeads(columns)}${paperHead}</tr>
<tr><th scope="col">examples</th><th scope="col">found</th>${columnHeads(columns)}${paper.map(({ table, network }, index) => html`<th scope="col" class="${edge(index)}">${table}, ${network}</th>`)}</tr>`;
  const body = rows.map((row) => {
    const { attack, attacked, successes, cells } = row;
    const best = Math.max(...Object.values(cells).map(({ auroc }) => auroc.mean));
    const cell = (name: string, side: string) => aurocCell(cells[name].auroc, best, side);
    return html`<tr><th scope="row">${attackTitle(attack)}</th><td>${successes} of ${attacked}</td>${columns.designs.map((name) => cell(name, ''))}${columns.baselines.map((name, index) => cell(name, edge(index)))}${paper.map((table, index) => html`<td class="${edge(index)}">${paperFigure(table, attack, 3)}</td>`)}</tr>
`;
  });
  return html`<section>
<h2>AUROC</h2>
<p>1 tells every adversarial example from every clean input, 0.5 is chance. Bold is the best of a row measured here; ± is the deviation over the seeds. “Smallest” examples stop at the first radius that fools the model; those with an ε use all of it.</p>
${figureTable('AUROC', head, body)}
</section>`;
}

function aurocCell({ mean, deviation }: Spread, best: number, side: string): Markup {
  const spread = deviation === 0 ? '' : html`<small>±${areaText(deviation)}</small>`;
  const strength = areaText(mean) === areaText(best) ? 'best' : '';
  return html`<td class="${strength} ${side}">${areaText(mean)}${spread}</td>`;
}

function paperFigure({ rows }: PaperTable, attack: string, index: number): string {
  const row = Object.entries(rows).find(([name]) => name === attack)?.[1];
  return row === undefined ? '–' : areaText(row[index]);
}

function rateSection({ rows }: DetectionTable, columns: ScorerColumns): Markup {
  const all = [...columns.designs, ...columns.baselines];
  const part = (rate: string, figures: (cell: TableCell) => [Spread, RateInterval | undefined]) =>
    figureTable(
      `True positive rate at ${rate}`,
      html`<tr><th scope="col">caught where ${rate} of clean inputs are flagged</th>${columnHeads(columns)}</tr>`,
      rows.map(
        ({ attack, cells }) =>
          html`<tr><th scope="row">${attackTitle(attack)}</th>${all.map((name, index) => rateCell(figures(cells[name]), edge(index - columns.designs.length)))}</tr>
`,
      ),
    );
  return html`<section>
<h2>True positive rate at 5 % and 1 %</h2>
<p>The second line is a 95 % interval for the draw of the examples and of the clean inputs that set the threshold: percentile bootstrap over both (Platt, Hanley and Yang 2000), widened to the Wilson score interval where that is wider; its ends are means over the seeds.</p>
${part('5 %', (cell) => [cell.tpr_at_fpr_5, cell.tpr_at_fpr_5_ci95])}
${part('1 %', (cell) => [cell.tpr_at_fpr_1, cell.tpr_at_fpr_1_ci95])}
</section>`;
}

function rateCell([{ mean }, interval]: [Spread, RateInterval | undefined], side: string): Markup {
  const ends =
    interval === undefined
      ? ''
      : html`<small>${percentText(interval[0], '')} to ${percentText(interval[1], '')}</small>`;
  return html`<td class="${side}">${percentText(mean)}${ends}</td>`;
}

function falsePositiveSection(table: DetectionTable, columns: ScorerColumns): Markup {
  const { target_fpr, false_positives } = table;
  const limit = 2 * target_fpr;
  const cell = (spread: Spread, side: string) => {
    const mark = spread.mean > limit ? html`<span class="mark">▲ </span>` : '';
    return html`<td class="${side}">${mark}${percentText(spread.mean)}</td>`;
  };
  const body = Object.entries(false_positives).map(
    ([shift, cells]) =>
      html`<tr><th scope="row">${shift}</th>${columns.designs.map((name) => cell(cells[name], ''))}${columns.baselines.map((name, index) => cell(cells[name], edge(index)))}</tr>
`,
  );
  return html`<section>
<h2>False positives on changed clean inputs</h2>
<p>Share of inputs that nobody attacked and that are flagged all the same, at a threshold for ${percentText(target_fpr)}. <span class="mark">▲</span> is more than twice that. “clean” counts every test image, the changed ones those that the model still gets right.</p>
${figureTable('False positives', html`<tr><th scope="col">inputs</th>${columnHeads(columns)}</tr>`, body)}
</section>`;
}

/** The paper's own cells whole, with the designs and the same baselines of the same examples before them. */
function paperSection(
  { rows }: DetectionTable,
  { designs, baselines }: ScorerColumns,
  paper: readonly PaperTable[],
): Markup {
  const parts = paper.map((table) => {
    const own = [...designs, ...baselines.filter((name) => isPaperBaseline(table, name))];
    const head = html`<tr><th></th><th scope="colgroup" class="group" colspan="${own.length}">measured here</th><th scope="colgroup" class="group edge" colspan="4">the paper’s NCCR, trained on</th><th scope="colgroup" class="group edge" colspan="2">the paper’s baselines</th></tr>
<tr><th scope="col">${table.table}, ${table.network}</th>${own.map((name) => html`<th scope="col">${scorerTitle(name)}</th>`)}${paperTrainingSets.map((name, index) => html`<th scope="col" class="${edge(index)}">${name}</th>`)}${table.baselines.map((name, index) => html`<th scope="col" class="${edge(index)}">${name}</th>`)}</tr>`;
    const body = rows
      .filter(({ attack }) => Object.hasOwn(table.rows, attack))
      .map(
        ({ attack, cells }) =>
          html`<tr><th scope="row">${attackTitle(attack)}</th>${own.map((name) => html`<td>${areaText(cells[name].auroc.mean)}</td>`)}${[0, 1, 2, 3, 4, 5].map((index) => html`<td class="${edge(index % 4)}">${paperFigure(table, attack, index)}</td>`)}</tr>
`,
      );
    return body.length === 0 ? '' : figureTable(`The paper, ${table.table}`, head, body);
  });
  return html`<section>
<h2>The paper’s own tables</h2>
<p>AUROC as the paper prints it (Pu Shi, NCCR, 2025, tables 3 and 4), beside the same attacks here. The paper’s networks, its attacks’ strengths and its images are not those of this page: figures stand beside each other, neither repeats the other.</p>
${parts}
</section>`;
}

function isPaperBaseline({ baselines }: PaperTable, name: string): boolean {
  return baselines.some((theirs) => theirs.toLowerCase() === name);
}
