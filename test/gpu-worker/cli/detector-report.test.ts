import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nccrGuard } from '../../helpers/command-line.ts';

const spread = { mean: 0.975, deviation: 0 };
const table = {
  model: 'm.onnx',
  images: { training: 10, threshold: 10, test: 10 },
  seeds: [1],
  target_fpr: 0.05,
  rows: [
    {
      attack: 'fgsm',
      attacked: 9,
      successes: 8,
      cells: { 'margin-changes': { auroc: spread, tpr_at_fpr_5: spread, tpr_at_fpr_1: spread } },
    },
  ],
  false_positives: { clean: { 'margin-changes': { mean: 0.04, deviation: 0 } } },
};

describe('detector report', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'report-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('writes the same page of a stored table each time', async () => {
    await writeFile(file('table.json'), JSON.stringify(table));
    const run = await nccrGuard('detector', 'report', file('table.json'), '--html', file('a.html'));
    expect(run).toEqual({ code: 0, stdout: '', stderr: '' });
    const page = await readFile(file('a.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>[\s\S]*AUROC 0\.9750[\s\S]*<\/html>\n$/);
    await nccrGuard('detector', 'report', file('table.json'), '--html', file('b.html'));
    expect(await readFile(file('b.html'), 'utf8')).toBe(page);
  });

  const [row] = table.rows;
  const refused: Record<string, { text: string; says: RegExp }> = {
    'is not JSON': { text: '<html>', says: /is not JSON/ },
    'has a member missing': { text: JSON.stringify({ ...table, seeds: undefined }), says: /seeds/ },
    'has a figure that is none': {
      text: JSON.stringify({
        ...table,
        rows: [
          {
            ...row,
            cells: { margin: { ...row.cells['margin-changes'], auroc: { mean: null, deviation: 0 } } },
          },
        ],
      }),
      says: /rows\.0\.cells\.margin\.auroc\.mean/,
    },
  };
  for (const [what, { text, says }] of Object.entries(refused)) {
    it(`says why a table that ${what} is refused, and writes no page`, async () => {
      await writeFile(file('bad.json'), text);
      const before = await readdir(folder);
      const run = await nccrGuard('detector', 'report', file('bad.json'), '--html', file('bad.html'));
      expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(says) });
      expect(await readdir(folder)).toEqual(before);
    });
  }

  it('says which file is absent, and wants a place for the page', async () => {
    const absent = await nccrGuard('detector', 'report', file('absent.json'), '--html', file('x.html'));
    expect(absent).toMatchObject({ code: 1, stderr: expect.stringMatching(/there is no such file/) });
    const nowhere = await nccrGuard('detector', 'report', file('table.json'));
    expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringMatching(/--html/) });
  });
});
