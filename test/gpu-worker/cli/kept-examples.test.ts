import { mkdtemp, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttackExamples } from '../../../gpu-worker/attacks/attack.ts';
import type { NamedAttackOptions } from '../../../gpu-worker/attacks/attack-by-name.ts';
import { attackRevisions, type RunAttack, runAttack } from '../../../gpu-worker/attacks/run-attack.ts';
import { keptExamples } from '../../../gpu-worker/cli/kept-examples.ts';
import { readNpz } from '../../../gpu-worker/datasets/npz.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';
import { linearTarget } from '../attacks/linear-target.ts';

const target = linearTarget({
  weights: [
    [1, 0, 0],
    [0, 1, 0.5],
  ],
  inputShape: [3],
  range: [0, 1],
});
const attacked = { inputs: Float32Array.of(0.9, 0.1, 0.2, 0.8, 0.3, 0.1), labels: [0, 0] };
const options: NamedAttackOptions = { epsilon: 0.4, seed: 3 };
const modelDigest = `sha256:${'0'.repeat(64)}`;

describe('kept examples', () => {
  let folder: string;
  let runs: number;
  let damaged: string[];
  const counted: RunAttack = (...args) => {
    runs++;
    return runAttack(...args);
  };
  const kept = (changed: { modelDigest?: string; runtime?: string } = {}) =>
    keptExamples({
      folder,
      modelDigest,
      runtime: 'ort-cpu',
      run: counted,
      onDamaged: (detail) => damaged.push(detail),
      ...changed,
    });
  const onlyFile = async () => {
    const files = await readdir(folder);
    expect(files).toHaveLength(1);
    return join(folder, files[0]);
  };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'examples-'));
    runs = 0;
    damaged = [];
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are what the attack found, to the bit, and are not made again', async () => {
    // Bits that a comparison by value would not tell: minus zero, the smallest number, one that is none.
    const odd: AttackExamples = {
      inputs: Float32Array.of(-0, 1e-45, 0.1, 0.5, Number.NaN, 1),
      success: Uint8Array.of(1, 0),
      epsilon: Float32Array.of(0.4, 0),
      l2: Float32Array.of(0.57, 0),
    };
    const run = await keptExamples({ folder, modelDigest, runtime: 'ort-cpu', run: async () => odd });
    await run('fgsm-fixed', target, attacked, options);
    const read = await (await kept())('fgsm-fixed', target, attacked, options);
    expect(runs).toBe(0);
    for (const name of ['inputs', 'success', 'epsilon', 'l2'] as const) {
      expect(Buffer.from(read[name].buffer)).toEqual(Buffer.from(odd[name].buffer));
    }
    const file = await onlyFile();
    expect(file).toMatch(/\/fgsm-fixed-[0-9a-f]{24}\.npz$/);
    const { inputs } = readNpz(await readFile(file), { name: 'kept', arrays: ['inputs'] });
    expect(inputs?.shape).toEqual([2, 3]);
  });

  it('are made anew for whatever would give others', async () => {
    const asked: [string, () => Promise<unknown>][] = [
      ['first', async () => (await kept())('pgd-fixed', target, attacked, options)],
      ['attack', async () => (await kept())('fgsm-fixed', target, attacked, options)],
      ['epsilon', async () => (await kept())('pgd-fixed', target, attacked, { ...options, epsilon: 0.5 })],
      ['seed', async () => (await kept())('pgd-fixed', target, attacked, { ...options, seed: 4 })],
      ['labels', async () => (await kept())('pgd-fixed', target, { ...attacked, labels: [0, 1] }, options)],
      [
        'inputs',
        async () =>
          (await kept())('pgd-fixed', target, { ...attacked, inputs: attacked.inputs.toReversed() }, options),
      ],
      ['range', async () => (await kept())('pgd-fixed', { ...target, range: [-1, 1] }, attacked, options)],
      [
        'model',
        async () =>
          (await kept({ modelDigest: `sha256:${'1'.repeat(64)}` }))('pgd-fixed', target, attacked, options),
      ],
      ['runtime', async () => (await kept({ runtime: 'other' }))('pgd-fixed', target, attacked, options)],
    ];
    for (const [index, [what, ask]] of asked.entries()) {
      await ask();
      expect(runs, what).toBe(index + 1);
    }
    // An attack that finds other examples than before has another revision.
    const revisions = attackRevisions as Record<string, number>;
    revisions['pgd-fixed']++;
    try {
      await (await kept())('pgd-fixed', target, attacked, options);
      expect(runs).toBe(asked.length + 1);
    } finally {
      revisions['pgd-fixed']--;
    }
    await (await kept())('pgd-fixed', target, attacked, options);
    expect(runs).toBe(asked.length + 1);
  });

  const damages: Record<string, (file: string) => Promise<void>> = {
    'cut short': async (file) => truncate(file, 200),
    'no archive': async (file) => writeFile(file, 'none'),
    'that of another run': async (file) => {
      // A whole archive whose arrays have the right shapes: only its digest tells.
      const other = await keptExamples({ folder: `${file}.other`, modelDigest, runtime: 'ort-cpu' });
      await other('fgsm-fixed', target, { ...attacked, labels: [0, 1] }, options);
      const [name] = await readdir(`${file}.other`);
      await rename(join(`${file}.other`, name), file);
      await rm(`${file}.other`, { recursive: true });
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`are made again where their file is ${what}, which is said`, async () => {
      const run = await kept();
      const first = await run('fgsm-fixed', target, attacked, options);
      const file = await onlyFile();
      const bytes = await readFile(file);
      await damage(file);
      expect(await run('fgsm-fixed', target, attacked, options)).toEqual(first);
      expect(runs).toBe(2);
      expect(damaged).toEqual([expect.stringContaining(file)]);
      expect(await readFile(file)).toEqual(bytes);
    });
  }

  it('of a run that failed are not there, nor a part of them', async () => {
    const failing = await keptExamples({
      folder,
      modelDigest,
      runtime: 'ort-cpu',
      run: () => Promise.reject(new Error('killed')),
    });
    await expect(failing('fgsm-fixed', target, attacked, options)).rejects.toThrow('killed');
    expect(await readdir(folder)).toEqual([]);
  });

  it('need a folder', async () => {
    await writeFile(join(folder, 'file'), '');
    const options = { folder: join(folder, 'file'), modelDigest, runtime: 'ort-cpu' };
    await expect(keptExamples(options)).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('serve a second calibration of the command line, which makes the same detector', async () => {
    const args = '--name digits --vector rank-gaps --dataset synthetic-digits:60 --images 60 --json'.split(
      ' ',
    );
    const calibrate = (out: string) => {
      const places = ['--examples', join(folder, 'kept'), '--out', join(folder, out)];
      return nccrGuard('detector', 'calibrate', lenetFile, ...args, ...places);
    };
    expect(await calibrate('a.json')).toMatchObject({ code: 0 });
    const files = await readdir(join(folder, 'kept'));
    // FGSM, PGD and JSMA, each at its smallest success.
    expect(files.map((name) => name.split('-')[0]).sort()).toEqual(['fgsm', 'jsma', 'pgd']);
    for (const name of files) await utimes(join(folder, 'kept', name), 0, 0);
    expect(await calibrate('b.json')).toMatchObject({ code: 0 });
    for (const name of files) expect((await stat(join(folder, 'kept', name))).mtimeMs).toBe(0);
    const [a, b] = await Promise.all(
      ['a.json', 'b.json'].map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))),
    );
    expect({ ...b, created_at: '' }).toEqual({ ...a, created_at: '' });
  }, 180_000);
});
