// The ROC curves of a report: one frame for each set of examples, one line for each way of scoring.
import { html, raw } from 'hono/html';
import type { DetectionTable, TableRow } from '../../shared/contracts/detection-table.ts';
import { curveColors } from '../../shared/report/report-style.ts';
import { attackTitle, type ScorerColumns, scorerTitle } from './report-names.ts';
import { type RocCurve, rocChart } from './vega-chart.ts';

/** Dashes of the baselines, in turn; designs are solid, so that a line is known without its colour. */
const baselineDashes = [
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [4, 1.5],
] as const;

interface CurveLook extends Pick<RocCurve, 'color' | 'dash'> {
  readonly name: string;
}

/** The section with the curves of the first seed; it says so where a table has none. */
export async function curveSection(
  { rows }: DetectionTable,
  columns: ScorerColumns,
): Promise<ReturnType<typeof html>> {
  const looks = curveLooks(columns).filter(({ name }) =>
    rows.every(({ cells }) => cells[name].roc !== undefined),
  );
  if (looks.length === 0) {
    return html`<section>
<h2>ROC curves</h2>
<p>This table was stored without its curves.</p>
</section>`;
  }
  const figures: ReturnType<typeof html>[] = [];
  for (const row of rows) {
    const chart = await rocChart(rowCurves(row, looks));
    figures.push(html`<figure><figcaption>${attackTitle(row.attack)}</figcaption>${raw(chart)}</figure>
`);
  }
  return html`<section>
<h2>ROC curves</h2>
<p>Of the first seed. The false positive rate is on a square root scale: what matters to a guard is its left end. The figures stand in the tables above.</p>
<ul class="legend">
${looks.map(legendEntry)}
</ul>
<div class="curves">
${figures}
</div>
</section>`;
}

function curveLooks({ designs, baselines }: ScorerColumns): CurveLook[] {
  const hues = curveColors.length - 1;
  return [
    ...designs.map((name, index) => ({ name, color: curveColors[index % hues], dash: [] })),
    ...baselines.map((name, index) => ({
      name,
      color: curveColors[(index + hues) % curveColors.length],
      dash: baselineDashes[index % baselineDashes.length],
    })),
  ];
}

/** In the other order, so that designs are drawn over baselines. */
function rowCurves({ cells }: TableRow, looks: readonly CurveLook[]): RocCurve[] {
  return looks.toReversed().map(({ name, color, dash }) => ({ points: cells[name].roc ?? [], color, dash }));
}

function legendEntry({ name, color, dash }: CurveLook): ReturnType<typeof html> {
  return html`<li><svg viewBox="0 0 38 10" aria-hidden="true"><line x1="0" y1="5" x2="38" y2="5" stroke="${color}" stroke-width="2.5" stroke-dasharray="${dash.join(' ')}"/></svg>${scorerTitle(name)}</li>
`;
}
