// The policy of a model: its draft, what that changes, its publishing, and the way back to an old version.
import type {
  PolicyChange,
  PolicyDiff,
  PolicyState,
  PolicyVersion,
} from '../../../shared/contracts/policy.ts';
import { choice, element, find } from './element.ts';
import type { GuardClient } from './guard-client.ts';
import { fillForm, readForm } from './policy-form.ts';
import { instant } from './say-verdict.ts';
import { attempting, report, say, startPage, tell } from './start-page.ts';

/** What is shown, and the tag of that state. */
interface Shown {
  readonly state: PolicyState;
  readonly etag: string;
}

startPage(async ({ guard, models }) => {
  choice('model').append(...models.map(({ model }) => element('option', {}, model)));
  const asked = new URLSearchParams(location.search).get('model');
  if (models.some(({ model }) => model === asked)) choice('model').value = asked!;
  await policyDesk(guard).show();
});

/** Everything that is done to the policy of the chosen model. */
function policyDesk(guard: GuardClient) {
  const form = find('draft', HTMLFormElement);
  const publish = find('publish', HTMLButtonElement);
  let shown: Shown | undefined;
  const path = () => `/v1/policies/${encodeURIComponent(choice('model').value)}`;
  const seen = (): Record<string, string> => (shown === undefined ? {} : { 'if-match': shown.etag });
  const changesBetween = async (from: number | string, to: number | string) => {
    const { body } = await guard.ask<PolicyDiff>(`${path()}/diff?from=${from}&to=${to}`);
    return body.changes;
  };

  const show = async () => {
    shown = undefined;
    const model = choice('model').value;
    const { body: state, headers } = await guard.ask<PolicyState>(path());
    const { body: list } = await guard.ask<{ versions: readonly PolicyVersion[] }>(`${path()}/versions`);
    const changes = state.draft === null ? undefined : await changesBetween(state.current.version, 'draft');
    if (model !== choice('model').value) return;
    shown = { state, etag: headers.get('etag') ?? '*' };
    fillForm(form, state.draft?.policy ?? state.current.policy);
    publish.disabled = state.draft === null;
    find('changes', HTMLElement).replaceChildren(...changesParts(state, changes));
    find('versions', HTMLElement).replaceChildren(versionList(list.versions, state.current, rollBack));
  };
  /** Does what changes the policy, shows what is there then, and says so. */
  const change = async (done: string, work: () => Promise<unknown>) => {
    tell(undefined);
    try {
      await work();
      await show();
      say(done);
    } catch (thrown) {
      say('');
      report(thrown);
    }
  };
  const publishDraft = async () => {
    if (shown === undefined) return;
    const { current } = shown.state;
    const next = `Publish the draft as version ${current.version + 1}?`;
    const changes = await changesBetween(current.version, 'draft');
    if (!(await confirmed({ question: next, yes: 'Publish', changes }))) return;
    await change('The draft was published; it guards the model from now on.', () =>
      guard.ask(`${path()}/versions`, { method: 'POST', headers: seen() }),
    );
  };
  const rollBack = async (version: number) => {
    if (shown === undefined) return;
    const changes = await changesBetween(shown.state.current.version, version);
    const question = `Publish version ${version} again?`;
    if (!(await confirmed({ question, yes: 'Roll back', changes }))) return;
    await change(`Version ${version} was published again under a new number.`, () =>
      guard.ask(`${path()}/rollback`, { method: 'POST', body: { version }, headers: seen() }),
    );
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (shown === undefined) return;
    const { draft, current } = shown.state;
    const body = readForm(form, draft?.policy ?? current.policy);
    void change('The draft was saved. It guards nothing until it is published.', () =>
      guard.ask(path(), { method: 'PUT', body, headers: seen() }),
    );
  });
  form.addEventListener('input', () => {
    // What would be published is the draft as it was saved, not what stands in the form.
    publish.disabled = true;
    say('The form has changes that are not saved.');
  });
  publish.addEventListener('click', () => void attempting(publishDraft));
  choice('model').addEventListener('change', () => {
    say('');
    tell(undefined);
    void attempting(show);
  });
  return { show };
}

function changesParts(
  { current, draft }: PolicyState,
  changes: readonly PolicyChange[] | undefined,
): HTMLElement[] {
  const guards = element(
    'p',
    {},
    `Version ${current.version} guards the model, in mode ${current.policy.mode}.`,
  );
  if (draft === null || changes === undefined) {
    return [guards, element('p', { class: 'quiet' }, 'There is no draft: saving the form makes one.')];
  }
  const by = element('p', { class: 'quiet' }, `Saved by ${draft.saved_by}, `, instant(draft.saved_at));
  return [guards, by, changesTable(changes)];
}

/** What differs, by the pointer of each member. */
function changesTable(changes: readonly PolicyChange[]): HTMLElement {
  if (changes.length === 0) return element('p', {}, 'Nothing differs.');
  const heads = ['Member', 'From', 'To'].map((name) => element('th', { scope: 'col' }, name));
  return element(
    'table',
    { class: 'diff' },
    element('thead', {}, element('tr', {}, ...heads)),
    element(
      'tbody',
      {},
      ...changes.map(({ path, old, value }) =>
        element(
          'tr',
          { 'data-path': path },
          element('th', { scope: 'row' }, path.slice(1).replaceAll('/', ' / ').replaceAll('_', ' ')),
          element('td', { class: 'old' }, valueText(old)),
          element('td', { class: 'value' }, valueText(value)),
        ),
      ),
    ),
  );
}

function valueText(value: unknown): string {
  return value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);
}

function versionList(
  versions: readonly PolicyVersion[],
  current: PolicyVersion,
  rollBack: (version: number) => Promise<void>,
): HTMLElement {
  return element(
    'ul',
    { class: 'versions' },
    ...versions.map((version) => {
      const isCurrent = version.version === current.version;
      const name = element('strong', {}, `Version ${version.version}`);
      const about = element('span', {}, name, ` ${version.policy.mode}. `, originOf(version));
      if (version.published_at !== null) about.append(' ', instant(version.published_at));
      const back = element(
        'button',
        { type: 'button', class: 'small', 'aria-label': `Roll back to version ${version.version}` },
        'Roll back…',
      );
      back.addEventListener('click', () => void attempting(() => rollBack(version.version)));
      const guards = element('span', { class: 'quiet' }, 'guards now');
      return element('li', { 'data-version': version.version }, about, isCurrent ? guards : back);
    }),
  );
}

function originOf({ version, published_by: by, restored_from: from }: PolicyVersion): string {
  if (version === 0) return 'What the configuration says.';
  return from === null ? `Published by ${by}` : `Version ${from} again, by ${by}`;
}

/** Asks before the guard of a model becomes another. */
function confirmed({
  question,
  yes,
  changes,
}: {
  question: string;
  yes: string;
  changes: readonly PolicyChange[];
}): Promise<boolean> {
  const dialog = find('confirm', HTMLDialogElement);
  const accept = find('confirm-yes', HTMLButtonElement);
  find('confirm-title', HTMLElement).textContent = question;
  find('confirm-changes', HTMLElement).replaceChildren(changesTable(changes));
  accept.textContent = yes;
  dialog.returnValue = '';
  accept.onclick = () => dialog.close('yes');
  find('confirm-no', HTMLButtonElement).onclick = () => dialog.close();
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
