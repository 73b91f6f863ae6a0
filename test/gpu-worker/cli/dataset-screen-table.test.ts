// The whole command on drawn digits with a planted patch: rows, resumption, page, refusals.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../../gpu-worker/cli/main.ts';
import { screeningRule } from '../../../shared/clustering/screen-class.ts';
import { screeningTableSchema } from '../../../shared/contracts/screening-table.ts';
import { lenetFile } from '../../helpers/command-line.ts';

describe('dataset screen-table', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  /** Runs a command in this process. */
  async function guard(...words: string[]) {
    const said = { log: '', error: '' };
    const spies = (['log', 'error'] as const).map((stream) =>
      vi.spyOn(console, stream).mockImplementation((line) => {
        said[stream] += `${line}\n`;
      }),
    );
    try {
      return { code: await main(words), stdout: said.log, stderr: said.error };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }
  const table = (...words: string[]) =>
    guard(
      'dataset',
      'screen-table',
      file('sets.json'),
      '--keep',
      file('rows'),
      '--strip-overlays=2',
      ...words,
    );
  const list = (sets: object[]) => writeFile(file('sets.json'), JSON.stringify({ sets }));
  const digits = { model: lenetFile, set: 'planted.npz', trigger: 'badnets' };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'screen-table-'));
    const parameters = { size: 4, shape: 'square', corner: 'bottom-right', margin: 1, level: 1 };
    const recipe = { trigger: 'badnets', parameters, target: 3, rate: 0.1, seed: 1, clean_label: false };
    await writeFile(file('recipe.json'), JSON.stringify(recipe));
    const made = await guard(
      'dataset',
      'poison',
      '--dataset=synthetic-digits:300',
      `--recipe=${file('recipe.json')}`,
      `--out=${file('planted.npz')}`,
    );
    expect(made.code).toBe(0);
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('runs every method, writes table and page, and keeps the row for the next run', async () => {
    await list([digits]);
    const first = await table('--out', file('table.json'), '--html', file('table.html'));
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toMatch(/smallest rate at which F1 holds 0.9 +badnets/);
    const parsed = screeningTableSchema.parse(JSON.parse(await readFile(file('table.json'), 'utf8')));
    const [row] = parsed.rows;
    expect(row).toMatchObject({ name: 'planted', trigger: 'badnets', target: 3, planted: 30, rate: 0.1 });
    expect(Object.keys(row.methods)).toHaveLength(10);
    // The demo's network never saw the patch: its planted rows are digits of other classes under a wrong label.
    expect(row.seeds.map(({ method, seed }) => [method, seed])).toEqual([
      ['nccr', 1],
      ['activation', 1],
    ]);
    const page = await readFile(file('table.html'), 'utf8');
    expect(page).toContain('<h2>F1 of the suspects</h2>');
    expect(page).not.toContain('NaN');

    const [kept] = await readdir(file('rows'));
    const before = await stat(file(`rows/${kept}`));
    const again = await table('--out', file('again.json'));
    expect(again.stderr).not.toContain('overlays');
    expect((await stat(file(`rows/${kept}`))).mtimeMs).toBe(before.mtimeMs);
    const repeated = screeningTableSchema.parse(JSON.parse(await readFile(file('again.json'), 'utf8')));
    expect(repeated).toEqual(parsed);

    await writeFile(file(`rows/${kept}`), '{');
    const mended = await table('--json');
    expect(mended.stderr).toContain('is damaged; it is made again');
    const { methods } = screeningTableSchema.parse(JSON.parse(mended.stdout)).rows[0];
    expect(methods.nccr).toMatchObject({ f1: row.methods.nccr.f1, flagged: row.methods.nccr.flagged });
  }, 240_000);

  it('tries other seeds and leaves methods out', async () => {
    await list([digits]);
    const { stdout } = await table('--no-baselines', '--mode=activation', '--seeds=3', '--json');
    const [row] = screeningTableSchema.parse(JSON.parse(stdout)).rows;
    expect(Object.keys(row.methods)).toEqual(['activation']);
    expect(row.seeds.map(({ seed }) => seed)).toEqual([1, 2, 3]);
  });

  it('makes a row again where the rule for a class is another than when it was kept', async () => {
    await list([{ ...digits, name: 'ruled' }]);
    const ruled = async () => {
      const { stdout } = await table('--no-baselines', '--mode=activation', '--json');
      const [row] = screeningTableSchema.parse(JSON.parse(stdout)).rows;
      const kept = (await readdir(file('rows'))).filter((name) => name.startsWith('ruled-'));
      return { flagged: row.methods.activation.flagged, kept: kept.length };
    };
    const before = await ruled();
    expect(before.kept).toBe(1);
    const asItWas = { ...screeningRule };
    try {
      // No class of 300 digits has that many examples, so that none can be flagged.
      Object.assign(screeningRule, { examples_min: 1000 });
      expect(await ruled()).toEqual({ flagged: [], kept: 2 });
    } finally {
      Object.assign(screeningRule, asItWas);
    }
    expect(await ruled()).toEqual({ ...before, kept: 2 });
  }, 120_000);

  it.each([
    ['a list that is not JSON', '{', /sets.json is not JSON/],
    ['a list of another shape', '{"sets": [{"set": "a.npz"}]}', /sets.0.model/],
    ['two sets of one name', JSON.stringify({ sets: [digits, digits] }), /two sets of the name planted/],
    [
      'planted rows of no named trigger',
      JSON.stringify({ sets: [{ ...digits, trigger: undefined }] }),
      /say by "trigger"/,
    ],
    [
      'a model that is not there',
      JSON.stringify({ sets: [{ ...digits, model: 'none.onnx' }] }),
      /no such file/,
    ],
  ])('refuses %s', async (_, text, message) => {
    await writeFile(file('sets.json'), text);
    const { code, stderr } = await table();
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(message) });
  });

  it('refuses a set that is not in the list', async () => {
    await list([digits]);
    expect(await table('--only=other')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no set of the name other/),
    });
  });
});
