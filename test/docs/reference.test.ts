// Holds the pages that are written from the code to the code; `npm run docs` writes them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { artefactsPage } from './artefacts-page.ts';
import { commandsPage } from './commands-page.ts';
import { contractComments } from './contract-comments.ts';
import { withRoutesTable } from './routes-table.ts';

const page = (name: string) => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));

describe('the reference, written by `npm run docs`', () => {
  it('has every command and its options', async () => {
    await expect(commandsPage()).toMatchFileSnapshot(page('commands.md'));
  });

  it('has every member of every artefact', async () => {
    await expect(artefactsPage()).toMatchFileSnapshot(page('artefacts.md'));
  });

  it('says of a member what the comment before it in its own object says', () => {
    const meaning = contractComments();
    expect(meaning(['family', 'epsilon', 'rows', 'copies'], 'epsilon')).toMatch(/^Bound of the noise/);
    expect(meaning(['epsilon', 'worst_attack', 'effective_accuracy'], 'epsilon')).toMatch(
      /^Radius in the max/,
    );
    expect(meaning(['format', 'name'], 'no_such_member')).toBe('');
  });

  it('has every route', async () => {
    const path = page('routes.md');
    await expect(withRoutesTable(readFileSync(path, 'utf8'))).toMatchFileSnapshot(path);
  });
});
