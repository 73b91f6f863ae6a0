// The robustness reports that were sent in: their figures in a table, and each as its page in a frame in which nothing runs.
import type { RobustnessList, RobustnessSummary } from '../../../shared/contracts/robustness-report.ts';
import { element, find } from './element.ts';
import type { GuardClient } from './guard-client.ts';
import { instant, rateText, short } from './say-verdict.ts';
import { attempting, say } from './start-page.ts';

/** Reports that are asked for at once. */
const pageReports = 20;

/** Names under which the file of a model is guarded. */
type GuardedAs = (digest: string) => readonly string[];

/** Shows the list, and lets it be gone on with. */
export async function showReports(guard: GuardClient, guardedAs: GuardedAs): Promise<void> {
  const more = find('more-reports', HTMLButtonElement);
  const rows = element('tbody');
  let cursor: string | null = null;
  const load = async () => {
    const after: string = cursor === null ? '' : `&cursor=${cursor}`;
    const { body } = await guard.ask<RobustnessList>(`/v1/robustness-reports?limit=${pageReports}${after}`);
    cursor = body.next_cursor;
    more.hidden = cursor === null;
    rows.append(...body.reports.flatMap((report) => reportRows(report, { guard, guardedAs })));
  };
  more.addEventListener('click', () => void attempting(load));
  await load();
  find('report-rows', HTMLElement).replaceChildren(reportTable(rows));
  const isEmpty = rows.childElementCount === 0;
  find('report-rows', HTMLElement).hidden = isEmpty;
  find('no-reports', HTMLElement).hidden = !isEmpty;
  find('reports', HTMLElement).hidden = false;
}

function reportTable(rows: HTMLElement): HTMLElement {
  const heads = [
    'Model',
    'Relative NCCR',
    '95 %',
    'Raw l2 NCCR',
    'Clean',
    'PGD',
    'Guarded as',
    'Made',
    'Report',
  ];
  return element(
    'table',
    {},
    element(
      'caption',
      { class: 'quiet' },
      'NCCR under sets of noise and accuracies beside it. Only models of one report are measured on the same images.',
    ),
    element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
    rows,
  );
}

/** A row a model; the report itself is opened from the first. */
function reportRows(
  { id, models, dataset, made_at: made }: RobustnessSummary,
  { guard, guardedAs }: { guard: GuardClient; guardedAs: GuardedAs },
): HTMLElement[] {
  return models.map(({ name, digest, relative, l2, clean, pgd }, index) => {
    const [low, high] = relative.ci95;
    const open = element('button', { type: 'button' }, `${dataset.images} images of ${dataset.name}`);
    open.addEventListener('click', () => void attempting(() => openReport(guard, id)));
    return element(
      'tr',
      { 'data-report': id },
      element('th', { scope: 'row' }, name, ' ', short(digest)),
      element('td', {}, figureText(relative.mean)),
      element('td', {}, `${figureText(low)} to ${figureText(high)}`),
      element('td', {}, figureText(l2.mean)),
      element('td', {}, rateText(clean)),
      element('td', {}, pgd === null ? 'not attacked' : rateText(pgd)),
      element('td', {}, guardedAs(digest).join(', ') || '–'),
      element('td', {}, instant(made)),
      element('td', {}, index === 0 ? open : ''),
    );
  });
}

async function openReport(guard: GuardClient, id: string): Promise<void> {
  say('Reading the report…');
  const frame = find('report', HTMLIFrameElement);
  frame.srcdoc = await guard.text(`/v1/robustness-reports/${id}/report.html`);
  frame.hidden = false;
  frame.scrollIntoView();
  say('');
}

function figureText(value: number): string {
  return value.toPrecision(3);
}
