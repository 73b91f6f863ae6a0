// Live verdicts: the newest page of the audit, asked for again and again, and older pages on demand.
import type { AuditPageBody } from '../../../shared/contracts/audit.ts';
import { choice, element, facts, find } from './element.ts';
import type { GuardClient } from './guard-client.ts';
import { instant, outcomeText, rateText, scoreText, short, verdictMark } from './say-verdict.ts';
import { attempting, repeatEvery, startPage } from './start-page.ts';

type Entry = AuditPageBody['verdicts'][number];

const pageSize = 50;
const askEveryMs = 2_000;
/** Rows that the page holds while it is live: with more it begins anew with the newest, and what is older is one press away. */
const shownMax = 500;

startPage(async ({ guard, models }) => {
  choice('model').append(...models.map(({ model }) => element('option', {}, model)));
  const list = verdictList(guard);
  await list.restart();
  const live = find('live', HTMLInputElement);
  for (const id of ['model', 'verdict']) {
    choice(id).addEventListener('change', () => void attempting(() => list.restart()));
  }
  live.addEventListener('change', () => live.checked && void attempting(() => list.catchUp()));
  find('older', HTMLButtonElement).addEventListener('click', () => void attempting(() => list.showOlder()));
  repeatEvery(askEveryMs, async () => {
    if (live.checked) await list.catchUp();
  });
});

/** The table with what it knows. */
function verdictList(guard: GuardClient) {
  const rows = find('rows', HTMLTableSectionElement);
  const older = find('older', HTMLButtonElement);
  const news = find('news', HTMLElement);
  let known = new Set<string>();
  let next: string | null = null;
  /** Counts the questions of one filter: an answer that comes after it was changed is thrown away. */
  let turn = 0;

  const ask = async (cursor?: string): Promise<AuditPageBody> => {
    const query = new URLSearchParams({ limit: String(pageSize) });
    for (const id of ['model', 'verdict']) {
      const { value } = choice(id);
      if (value !== '') query.set(id, value);
    }
    if (cursor !== undefined) query.set('cursor', cursor);
    return (await guard.ask<AuditPageBody>(`/v1/verdicts?${query}`)).body;
  };
  const fresh = (entries: readonly Entry[]) => entries.filter(({ verdict }) => !known.has(verdict.id));
  const remember = (entries: readonly Entry[]) => {
    for (const { verdict } of entries) known.add(verdict.id);
  };

  return {
    /** Forgets everything and shows the newest page of the filters as they are. */
    async restart() {
      const mine = ++turn;
      const page = await ask();
      if (mine !== turn) return;
      known = new Set();
      remember(page.verdicts);
      next = page.next;
      rows.replaceChildren(...page.verdicts.map((entry) => verdictRow(entry, false)));
      older.hidden = next === null;
      news.textContent =
        page.verdicts.length === 0
          ? 'The audit has no such verdict yet.'
          : `${page.verdicts.length} verdicts shown.`;
    },
    /** Puts what is new on top. */
    async catchUp() {
      const mine = turn;
      const page = await ask();
      if (mine !== turn) return;
      const arrived = fresh(page.verdicts);
      if (arrived.length === 0) return;
      // More came than one page holds, and what lies between is not shown; or the page would hold more than it may, and older ones could
      // not go without a gap before those that are still to be asked for: the list begins anew.
      const isGap = arrived.length === page.verdicts.length && page.next !== null && known.size > 0;
      if (isGap || rows.rows.length + arrived.length > shownMax) return this.restart();
      remember(arrived);
      rows.prepend(...arrived.map((entry) => verdictRow(entry, true)));
      const blocked = arrived.filter(({ verdict }) => verdict.verdict === 'block').length;
      news.textContent = `${arrived.length} new, ${blocked} of them to be blocked.`;
    },
    /** Puts the next older page below. */
    async showOlder() {
      if (next === null) return;
      const mine = turn;
      const page = await ask(next);
      if (mine !== turn) return;
      next = page.next;
      const more = fresh(page.verdicts);
      remember(more);
      rows.append(...more.map((entry) => verdictRow(entry, false)));
      older.hidden = next === null;
      news.textContent = `${more.length} older verdicts shown.`;
    },
  };
}

function verdictRow(entry: Entry, isNew: boolean): HTMLTableRowElement {
  const { verdict, model, principal } = entry;
  const details = element(
    'button',
    { type: 'button', class: 'small', 'aria-label': `Details of the verdict of ${verdict.at}` },
    'Details',
  );
  details.addEventListener('click', () => showDetails(entry));
  return element(
    'tr',
    { class: isNew ? 'new' : undefined, 'data-id': verdict.id },
    element('td', {}, instant(verdict.at)),
    element('td', {}, verdictMark(verdict.verdict)),
    element('td', { class: 'number' }, scoreText(verdict.score)),
    element('td', { class: 'number wide' }, scoreText(verdict.threshold)),
    element('td', { class: 'wide' }, model),
    element('td', { class: 'wide' }, outcomeText(verdict)),
    element('td', { class: 'wide' }, principal ?? '–'),
    element('td', {}, details),
  );
}

function showDetails({ verdict, model, principal, request_digest: digest }: Entry): void {
  const { failure, detector, timings_ms: timings } = verdict;
  find('facts', HTMLElement).replaceChildren(
    ...facts([
      ['Verdict', verdictMark(verdict.verdict)],
      ['Id', element('code', {}, verdict.id)],
      ['Time', instant(verdict.at)],
      ['Model', model],
      ['Request', outcomeText(verdict)],
      ['Mode', verdict.mode],
      ['Policy', `${verdict.policy.id}, version ${verdict.policy.version}`],
      ['Score', `${scoreText(verdict.score)}, threshold ${scoreText(verdict.threshold)}`],
      ['Target rate', verdict.target_fpr === null ? '–' : `${rateText(verdict.target_fpr)} of clean inputs`],
      ['Reasons', verdict.reasons.join(', ') || '–'],
      ...(failure === null ? [] : [['Failure', `${failure.class}: ${failure.detail}`] as const]),
      ['Sent by', principal ?? 'nobody had to say'],
      ['Request digest', digest === null ? 'its body was not read' : short(digest)],
      ...(detector === null ? [] : [['Detector', `${detector.name} ${detector.version}`] as const]),
      ['Time taken', `${timings.total.toFixed(1)} ms, of which extraction ${timings.extract.toFixed(1)} ms`],
      ['ATLAS', verdict.taxonomy.join(', ') || '–'],
      ['Trace', verdict.trace_id ?? '–'],
    ]),
  );
  find('json', HTMLElement).textContent = JSON.stringify(verdict, null, 2);
  find('details', HTMLDialogElement).showModal();
}
