// Screening jobs as they go on: the list is asked for again and again.
import type { ScreeningJob } from '../../../shared/contracts/screening-job.ts';
import { type Child, element, facts, find } from './element.ts';
import { instant } from './say-verdict.ts';
import { attempting, repeatEvery, startPage } from './start-page.ts';

interface JobPage {
  readonly screenings: readonly ScreeningJob[];
  readonly next_cursor: string | null;
}

const askEveryMs = 2_000;
const pageSize = 20;

const signs: Readonly<Record<ScreeningJob['state'], string>> = {
  uploading: '↑',
  running: '…',
  completed: '✓',
  failed: '!',
  cancelled: '–',
};

startPage(async ({ guard }) => {
  const jobs = find('jobs', HTMLUListElement);
  const older = find('older', HTMLButtonElement);
  /** What each card was made from, so that a job that stands still is left alone. */
  const shown = new Map<string, string>();
  let pages = 1;
  let isLoaded = false;

  const refresh = async () => {
    const listed: ScreeningJob[] = [];
    let next: string | null = null;
    for (let page = 0; page < pages; page++) {
      const query = new URLSearchParams({
        limit: String(pageSize),
        ...(next === null ? {} : { cursor: next }),
      });
      const { body }: { body: JobPage } = await guard.ask<JobPage>(`/v1/screenings?${query}`);
      listed.push(...body.screenings);
      next = body.next_cursor;
      if (next === null) break;
    }
    older.hidden = next === null;
    showJobs(listed);
  };
  const showJobs = (listed: readonly ScreeningJob[]) => {
    const news: string[] = [];
    for (const [index, job] of listed.entries()) {
      const made = JSON.stringify(job);
      const before = shown.get(job.id);
      const place = jobs.children[index];
      if (before === made && place instanceof HTMLElement && place.dataset.id === job.id) continue;
      const stateBefore = before === undefined ? undefined : (JSON.parse(before) as ScreeningJob).state;
      if (isLoaded && stateBefore !== job.state) news.push(`${titleOf(job)} is ${job.state}.`);
      shown.set(job.id, made);
      putCard(jobs, { index, job });
    }
    isLoaded = true;
    while (jobs.children.length > listed.length) jobs.lastElementChild!.remove();
    if (listed.length === 0) {
      find('news', HTMLElement).textContent =
        'No screening yet: POST /v1/screenings makes one, as docs/operations.md shows.';
    } else if (news.length > 0) find('news', HTMLElement).textContent = news.join(' ');
  };

  older.addEventListener('click', () => {
    pages++;
    void attempting(refresh);
  });
  await refresh();
  repeatEvery(askEveryMs, refresh);
});

/** Puts a card at its place, and the focus back where it was in the card that stood there. */
function putCard(jobs: HTMLUListElement, { index, job }: { index: number; job: ScreeningJob }): void {
  const [card, place] = [jobCard(job), jobs.children[index]];
  const focused = place?.contains(document.activeElement) ? document.activeElement : null;
  if (place === undefined) jobs.append(card);
  else place.replaceWith(card);
  if (focused instanceof HTMLAnchorElement) {
    card
      .querySelector<HTMLAnchorElement>(`a[href="${CSS.escape(focused.getAttribute('href') ?? '')}"]`)
      ?.focus();
  }
}

function titleOf({ dataset, format }: ScreeningJob): string {
  return dataset ?? `upload (${format})`;
}

function jobCard(job: ScreeningJob): HTMLLIElement {
  const { state, stage } = job;
  const isPoisoned = (job.poisoned?.length ?? 0) > 0;
  const kind = isPoisoned ? 'block' : state;
  return element(
    'li',
    { 'data-id': job.id },
    element('h2', {}, titleOf(job)),
    element(
      'p',
      {},
      element(
        'span',
        { class: `verdict ${kind}` },
        element('span', { 'aria-hidden': 'true' }, isPoisoned ? '▲' : signs[state]),
        isPoisoned ? `${state}: poison found` : stage === null ? state : `${state}: ${stage}`,
      ),
    ),
    ...progressOf(job),
    element(
      'dl',
      { class: 'facts' },
      ...facts([
        ['Model', job.model],
        ['Begun', instant(job.created_at)],
        [
          'Examples',
          job.counts.examples === null
            ? `${job.counts.examples_read} read so far`
            : String(job.counts.examples),
        ],
        ...findings(job),
      ]),
    ),
    ...(state === 'completed'
      ? [
          element(
            'p',
            { class: 'actions' },
            element(
              'a',
              { href: `/dashboard/report?id=${encodeURIComponent(job.id)}` },
              `Report of ${titleOf(job)}`,
            ),
          ),
        ]
      : []),
  );
}

function findings({ poisoned, failure }: ScreeningJob): (readonly [string, ...Child[]])[] {
  return [
    ...(poisoned === null
      ? []
      : [['Poisoned classes', poisoned.length === 0 ? 'none found' : poisoned.join(', ')] as const]),
    ...(failure === null ? [] : [['Failure', failure.detail] as const]),
  ];
}

/** How far a running job is, by the examples whose vectors were read and the classes that were judged. */
function progressOf({ state, counts, remaining_seconds: seconds }: ScreeningJob): Child[] {
  if (state !== 'running') return [];
  const whole = counts.examples ?? 0;
  const judged = counts.classes === null || counts.classes === 0 ? 0 : counts.classes_judged / counts.classes;
  const extracted = whole === 0 ? 0 : counts.examples_extracted / whole;
  // Extraction takes nearly all of the time.
  const share = 0.9 * extracted + 0.1 * judged;
  const left = seconds === null ? '' : `, about ${Math.ceil(seconds)} s of extraction left`;
  const text = `${counts.examples_extracted} of ${whole === 0 ? 'yet unknown' : whole} examples extracted${left}`;
  return [
    element('progress', {
      max: 1,
      value: whole === 0 ? undefined : share,
      'aria-label': 'Progress of the screening',
    }),
    element('p', { class: 'quiet' }, text),
  ];
}
