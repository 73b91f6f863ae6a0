// One self-contained HTML page from a screening table: the smallest rates first, then every set by every method, and the limits.
import { html, raw } from 'hono/html';
import type { MethodScore, ScreeningRow, ScreeningTable } from '../../shared/contracts/screening-table.ts';
import { percentText } from '../../shared/report/figure-text.ts';
import { figureTable, type Markup } from '../../shared/report/report-markup.ts';
import { reportStyle } from '../../shared/report/report-style.ts';
import { f1Holds, type SmallestRate, smallestRates } from './score-suspicion.ts';
import { methodTitle, ownMethods } from './screening-methods.ts';
import { labelsText, rateText, triggerTitle } from './screening-table-text.ts';

/** Writes the page. It needs no script, loads nothing, and reads in light, dark and print. */
export async function screeningTablePage(table: ScreeningTable): Promise<string> {
  const methods = [...new Set(table.rows.flatMap((row) => Object.keys(row.methods)))];
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Screening of training data with known poison</title>
<style>${raw(reportStyle)}</style>
</head>
<body>
<main>
<h1>Screening of training data with known poison</h1>
<p class="quiet">${setsText(table)} On ${table.device}.</p>
${headline(table, methods)}
${scoreSection(table, methods)}
${flagSection(table)}
${cleanSection(table, methods)}
${timeSection(table, methods)}
${settingSection(table)}
${limitsSection()}
</main>
</body>
</html>
`;
  return String(page);
}

function setsText({ rows }: ScreeningTable): string {
  const poisoned = rows.filter(({ trigger }) => trigger !== null).length;
  return `${poisoned} training sets with planted rows, ${rows.length - poisoned} without, each with the network that was trained on it.`;
}

/** The smallest rates of every trigger, by every method. */
function headline({ rows }: ScreeningTable, methods: readonly string[]): Markup {
  const rates = smallestRates(rows);
  if (rates.length === 0) return html``;
  const [own] = methods;
  const found = rates.filter(({ smallest }) => smallest[own] !== null && smallest[own] !== undefined);
  const figure = found.map((each) => `${triggerTitle(each)} from ${rateText(each.smallest[own])}`).join('; ');
  const missed = rates.filter((each) => !found.includes(each)).map(triggerTitle);
  const head = html`<tr><th scope="col">smallest rate at which F1 holds ${f1Holds}</th>${rates.map(triggerHead)}</tr>`;
  const body = methods.map((method) => {
    const cells = rates.map(({ smallest }) => html`<td>${rateText(smallest[method])}</td>`);
    return html`<tr><th scope="row">${methodTitle(method)}</th>${cells}</tr>
`;
  });
  return html`<section class="headline">
<p class="label">What ${methodTitle(own)} finds</p>
<p class="figure">${figure === '' ? 'No trigger at any rate that was tried' : figure}</p>
<p>${missed.length === 0 ? 'No trigger is missed at every rate.' : `Missed at every rate that was tried: ${missed.join('; ')}.`} A rate counts where F1 is at least ${f1Holds} in every set of that rate and of every higher one; under the smallest that was tried nothing is known.</p>
${figureTable('Smallest rates', head, body)}
</section>`;
}

function triggerHead(rate: SmallestRate): Markup {
  const tried = rate.rates.map((each) => percentText(each, '')).join(', ');
  return html`<th scope="col">${triggerTitle(rate)}<br><small>tried ${tried} %</small></th>`;
}

function scoreSection({ rows }: ScreeningTable, methods: readonly string[]): Markup {
  const body = rows
    .filter(({ trigger }) => trigger !== null)
    .map((row) => {
      const best = Math.max(...Object.values(row.methods).map(({ f1 }) => f1 ?? 0));
      const cells = methods.map((method) => scoreCell(row.methods[method], best));
      return html`<tr><th scope="row">${row.name}</th><td>${row.planted} / ${row.clean_in_target}</td>${cells}</tr>
`;
    });
  return html`<section>
<h2>F1 of the suspects</h2>
<p>Against the rows that were planted; below it precision and recall. The best of a set is bold.</p>
${figureTable('F1 of the suspects', headOf('set', ['planted / clean in its class'], methods), body)}
</section>`;
}

function scoreCell(score: MethodScore | undefined, best: number): Markup {
  if (score === undefined || score.f1 === null) return html`<td>not run</td>`;
  const { f1, precision, recall } = score;
  return html`<td class="${f1 === best ? 'best' : ''}">${f1.toFixed(3)}<small>${precision!.toFixed(2)} / ${recall!.toFixed(2)}</small></td>`;
}

/** Classes flagged by methods that judge classes. */
function flagSection({ rows }: ScreeningTable): Markup {
  const methods = [...new Set(rows.flatMap((row) => Object.keys(row.methods)))].filter((method) =>
    rows.some((row) => (row.methods[method]?.flagged ?? null) !== null),
  );
  const body = rows.map((row) => {
    const cells = methods.map((method) => flagCell(row.methods[method]));
    return html`<tr><th scope="row">${row.name}</th><td>${row.target === null ? 'none' : `{${row.target}}`}</td>${cells}</tr>
`;
  });
  const tried = seedSentences(rows);
  return html`<section>
<h2>Classes called poisoned</h2>
<p>Beside the class that is. A mark stands where a clean class is flagged.</p>
${figureTable('Classes called poisoned', headOf('set', ['poisoned'], methods), body)}
${tried.length === 0 ? '' : html`<ul>${tried.map((sentence) => html`<li>${sentence}</li>`)}</ul>`}
</section>`;
}

function flagCell(score: MethodScore | undefined): Markup {
  if (score === undefined) return html`<td>not run</td>`;
  const mark = (score.false_classes ?? []).length > 0 ? html`<span class="mark">▲ </span>` : '';
  return html`<td>${mark}${labelsText(score.flagged)}</td>`;
}

/** What other seeds say: whether the flags stay the same. */
function seedSentences(rows: readonly ScreeningRow[]): string[] {
  return ownMethods.flatMap((method) => {
    const tried = rows.map((row) => ({ row, seeds: row.seeds.filter((each) => each.method === method) }));
    const most = Math.max(0, ...tried.map(({ seeds }) => seeds.length));
    if (most < 2) return [];
    const falsely = tried.filter(({ row, seeds }) =>
      seeds.some(({ flagged }) => flagged.some((label) => label !== row.target)),
    );
    const verdict =
      falsely.length === 0
        ? 'no clean class is flagged in any set'
        : `clean classes are flagged in ${falsely.map(({ row }) => row.name).join(', ')}`;
    return [`${methodTitle(method)} under ${most} seeds: ${verdict}.`];
  });
}

function cleanSection({ rows }: ScreeningTable, methods: readonly string[]): Markup {
  const body = rows.map((row) => {
    const cells = methods.map((method) => {
      const score = row.methods[method];
      return html`<td>${score === undefined ? 'not run' : percentText(score.clean_flagged)}</td>`;
    });
    return html`<tr><th scope="row">${row.name}</th>${cells}</tr>
`;
  });
  return html`<section>
<h2>Clean data that is suspected</h2>
<p>Share of the rows without a trigger that a method would have removed.</p>
${figureTable('Clean data that is suspected', headOf('set', [], methods), body)}
</section>`;
}

function timeSection({ rows }: ScreeningTable, methods: readonly string[]): Markup {
  const body = rows.map((row) => {
    const cells = methods.map(
      (method) => html`<td>${row.methods[method]?.seconds.toFixed(1) ?? 'not run'}</td>`,
    );
    return html`<tr><th scope="row">${row.name}</th><td>${row.examples}</td>${cells}</tr>
`;
  });
  return html`<section>
<h2>Seconds</h2>
<p>Running the model over the set and judging it. Methods on plain activations share one forward pass, which counts for each.</p>
${figureTable('Seconds', headOf('set', ['examples'], methods), body)}
</section>`;
}

function settingSection({ settings }: ScreeningTable): Markup {
  return html`<section>
<h2>How the methods were set</h2>
<ul>
${Object.entries(settings).map(
  ([name, setting]) => html`<li>${methodTitle(name)}: ${setting}.</li>
`,
)}
</ul>
</section>`;
}

function limitsSection(): Markup {
  return html`<section>
<h2>What these figures do not show</h2>
<ul>
<li>No attacker of this page knows the screening. Poison that is made to lie among the clean examples of its class (Qi et al. 2023) hides from every method that clusters activations.</li>
<li>Poison that comes from one class alone has runner-up labels as narrow as clean examples have: our rule is expected to miss it.</li>
<li>Poison that kept its labels (clean label) comes from its own class and has that class’s runner-up labels: our rule is expected to miss it too.</li>
<li>Classes of fewer than 80 examples are not judged by our rule.</li>
<li>Spectral Signatures and STRIP are told what a defender would have to guess: the poison rate, and rows that are known to be clean.</li>
</ul>
</section>`;
}

function headOf(first: string, more: readonly string[], methods: readonly string[]): Markup {
  const names = [...more, ...methods.map(methodTitle)];
  return html`<tr><th scope="col">${first}</th>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr>`;
}
