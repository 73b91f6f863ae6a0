// Shows the report of one screening, and lets it be saved: a link alone could not show the token.
import { find } from './element.ts';
import type { GuardClient } from './guard-client.ts';
import { attempting, say, startPage, tell } from './start-page.ts';

const saved = [
  { id: 'save-page', path: 'report.html', type: 'text/html', ending: 'html' },
  { id: 'save-json', path: 'report', type: 'application/json', ending: 'json' },
  { id: 'save-csv', path: 'report.csv', type: 'text/csv', ending: 'csv' },
] as const;

startPage(async ({ guard }) => {
  const id = new URLSearchParams(location.search).get('id') ?? '';
  if (!/^scr_[0-9a-f-]{36}$/.test(id)) return tell('The address names no screening.');
  say('Reading the report…');
  // The frame is a sandbox without scripts, and of an origin of its own.
  find('report', HTMLIFrameElement).srcdoc = await guard.text(`/v1/screenings/${id}/report.html`);
  for (const { id: button, path, type, ending } of saved) {
    find(button, HTMLButtonElement).addEventListener('click', () => {
      void attempting(() =>
        save(guard, { path: `/v1/screenings/${id}/${path}`, name: `${id}.${ending}`, type }),
      );
    });
  }
  find('saving', HTMLElement).hidden = false;
  find('report', HTMLIFrameElement).hidden = false;
  say('');
});

async function save(
  guard: GuardClient,
  { path, name, type }: { path: string; name: string; type: string },
): Promise<void> {
  const url = URL.createObjectURL(new Blob([await guard.text(path)], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it behind the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
