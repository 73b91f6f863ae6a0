// How every page begins: with the token of this tab, or by asking for one; and how it says what went wrong.
import type { DetectorList, GuardedModelSummary } from '../../../shared/contracts/detector-summary.ts';
import { find } from './element.ts';
import { type GuardClient, guardClient, Refusal } from './guard-client.ts';

/** What a page is given once its operator is known. */
export interface PageStart {
  readonly guard: GuardClient;
  /** Every configured model, in the order of the configuration. */
  readonly models: readonly GuardedModelSummary[];
}

/** The tab's own storage: another tab, or another page of this origin, does not see it. */
const tokenKey = 'nccr-guard.token';

/** Signs in and shows the content, again after each signing in. */
export function startPage(show: (start: PageStart) => Promise<void>): void {
  const form = find('sign-in', HTMLFormElement);
  const field = find('token', HTMLInputElement);
  const attempt = async (token: string | undefined) => {
    const guard = guardClient(token);
    say('Loading…');
    try {
      const { body } = await guard.ask<DetectorList>('/v1/detectors');
      if (token !== undefined) sessionStorage.setItem(tokenKey, token);
      form.hidden = true;
      find('sign-out', HTMLButtonElement).hidden = token === undefined;
      find('content', HTMLElement).hidden = false;
      tell(undefined);
      say('');
      await show({ guard, models: body.models });
    } catch (thrown) {
      say('');
      if (!isRefusedCredential(thrown)) {
        report(thrown);
        return;
      }
      sessionStorage.removeItem(tokenKey);
      form.hidden = false;
      if (token === undefined) return;
      const isKnown = thrown.status !== 401;
      tell(isKnown ? `These credentials are refused: ${thrown.message}.` : 'This token is not known.');
      field.focus();
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const token = field.value.trim();
    field.value = '';
    void attempt(token);
  });
  find('sign-out', HTMLButtonElement).addEventListener('click', () => {
    sessionStorage.removeItem(tokenKey);
    location.reload();
  });
  void attempt(sessionStorage.getItem(tokenKey) ?? undefined);
}

/** Shows what went wrong; a token that is refused later, such as a revoked one, has to be given again. */
export function report(thrown: unknown): void {
  if (isRefusedCredential(thrown) && thrown.status === 401) {
    sessionStorage.removeItem(tokenKey);
    location.reload();
  } else tell(problemText(thrown));
}

function problemText(thrown: unknown): string {
  if (thrown instanceof Refusal) return `The guard refuses: ${thrown.message}`;
  if (thrown instanceof TypeError) return 'The guard cannot be reached. What is shown may be old.';
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Shows a problem, or takes it away. */
export function tell(problem: string | undefined): void {
  const place = find('problem', HTMLElement);
  place.textContent = problem ?? '';
  place.hidden = problem === undefined;
}

/** Says what goes on. */
export function say(text: string): void {
  find('status', HTMLElement).textContent = text;
}

/** Does work that may fail, and shows how it did. */
export async function attempting(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    report(thrown);
  }
}

/** Repeats work while the page is looked at, with a pause after each time. */
export function repeatEvery(pauseMs: number, work: () => Promise<void>): void {
  let hasFailed = false;
  const again = async () => {
    try {
      if (!document.hidden) await work();
      if (hasFailed) tell(undefined);
      hasFailed = false;
    } catch (thrown) {
      hasFailed = true;
      report(thrown);
    }
    setTimeout(() => void again(), pauseMs);
  };
  setTimeout(() => void again(), pauseMs);
}

function isRefusedCredential(thrown: unknown): thrown is Refusal {
  return thrown instanceof Refusal && (thrown.status === 401 || thrown.code === 'insufficient_scope');
}
