// A reproduction as one self-contained HTML page: table after table, ours beside the paper's, with the time that it cost.
import { html, raw } from 'hono/html';
import type {
  MethodCosts,
  ReproducedCell,
  ReproducedGrid,
  ReproducedTable,
  Reproduction,
  ReproductionStep,
} from '../../shared/contracts/reproduction.ts';
import { figureTable, type Markup, verdictList } from '../../shared/report/report-markup.ts';
import { reportStyle } from '../../shared/report/report-style.ts';
import { costText, differenceText, figureText, quickNote, stepText } from './reproduction-text.ts';

/**
 * Writes the page. It needs no script and loads nothing; the pages of the steps lie beside it.
 * @param svgOf the figure of a path in the reproduction
 */
export async function reproductionPage(
  reproduction: Reproduction,
  svgOf: (path: string) => string,
): Promise<string> {
  const { quick, machine, code, created_at: createdAt, tables } = reproduction;
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>The paper’s tables, measured again</title>
<style>${raw(reportStyle)}</style>
</head>
<body>
<main>
<h1>The paper’s tables, measured again</h1>
<p class="quiet">NCCR: to Evaluate the Robustness of Neural Networks and Adversarial Examples (Pu Shi, 2025). Made ${createdAt} on ${machine}, code ${code}.</p>
${headline(reproduction)}
${quick ? html`<p><strong>${quickNote}</strong></p>` : ''}
<nav><ul>${tables.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
${tables.map((table) => tableSection(table, svgOf))}
</main>
</body>
</html>
`;
  return String(page);
}

/** How far apart the two are on the whole, and what is not there. */
function headline({ tables }: Reproduction): Markup {
  const cells = tables.flatMap(({ grids }) => grids.flatMap(({ rows }) => rows.flatMap((row) => row.cells)));
  const both = cells.filter(({ paper, ours }) => paper !== null && ours !== null);
  const near = both.filter(({ paper, ours }) => Math.abs(ours! - paper!) <= 0.02).length;
  const above = both.filter(({ paper, ours }) => ours! - paper! > 0.02).length;
  const steps = tables.flatMap((table) => table.steps);
  const lost = new Set(
    steps.filter(({ state }) => state === 'missing' || state === 'failed').map(({ name }) => name),
  );
  return html`<section class="headline">
<p class="label">${both.length} numbers of the paper, measured here</p>
<p class="figure">${both.length === 0 ? 'Nothing to compare by number' : `${near} within 0.02 of the paper’s, ${above} above, ${both.length - near - above} below`}</p>
<p>${lost.size === 0 ? 'Every step has its result.' : html`<span class="mark">▲ </span>Without a result: ${[...lost].join(', ')}.`}</p>
</section>`;
}

function tableSection(
  { id, title, notes, grids, findings, costs, figures, steps }: ReproducedTable,
  svgOf: (path: string) => string,
): Markup {
  return html`<section id="${id}">
<h2>${title}</h2>
${notes.map((note) => html`<p>${note}</p>`)}
${grids.map(gridMarkup)}
${findings.length === 0 ? '' : verdictList(findings)}
${figures.map((figure) => figureMarkup(figure.title, svgOf(figure.path)))}
${costs.map(costMarkup)}
<ul>${steps.map(stepMarkup)}</ul>
</section>`;
}

/** As an image, so that the ids of several drawings do not meet. */
function figureMarkup(title: string, svg: string): Markup {
  const data = Buffer.from(svg).toString('base64');
  return html`<figure><figcaption>${title}</figcaption><img alt="${title}" src="data:image/svg+xml;base64,${data}" style="max-width: 100%; background: #fff"></figure>`;
}

function gridMarkup({ title, columns, rows, unit }: ReproducedGrid): Markup {
  const head = html`<tr><th scope="col">${unit === 'accuracy' ? '%' : unit === 'f1' ? 'F1' : 'AUROC'}</th>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr>`;
  const body = rows.map(
    ({ label, cells }) =>
      html`<tr><th scope="row">${label}</th>${cells.map(
        (cell) => html`<td>${figureText(cell.ours, unit)}<small>${comparedText(cell, unit)}</small></td>`,
      )}</tr>
`,
  );
  return html`<h3>${title}</h3>
<p class="quiet">Ours; below it the paper’s, and ours less the paper’s.</p>
${figureTable(title, head, body)}`;
}

/** The paper's figure, and the difference where there is one. */
function comparedText(cell: ReproducedCell, unit: ReproducedGrid['unit']): string {
  return [figureText(cell.paper, unit), differenceText(cell, unit)].filter((text) => text !== '').join(', ');
}

function costMarkup({ title, unit, rows }: MethodCosts): Markup {
  const head = html`<tr><th scope="col">${title}</th><th scope="col">${unit}</th></tr>`;
  const body = rows.map(
    ({ method, cost }) => html`<tr><th scope="row">${method}</th><td>${costText(cost)}</td></tr>
`,
  );
  return figureTable(title, head, body);
}

/** A word of a command as a shell takes it. */
function shellWord(word: string): string {
  return /^[\w./:,+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function stepMarkup(step: ReproductionStep): Markup {
  const { state, page, command } = step;
  const mark = state === 'missing' || state === 'failed' ? html`<span class="mark">▲ </span>` : '';
  const link = page === undefined ? '' : html` <a href="${page}">its own page</a>`;
  return html`<li>${mark}${stepText(step)}.${link}<br><small><code>nccr-guard ${command.map(shellWord).join(' ')}</code></small></li>
`;
}
