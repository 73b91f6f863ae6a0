import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../../gpu-worker/cli/main.ts';
import { folderArchive } from '../../../gpu-worker/datasets/folder-archive.ts';
import { readNpz, writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { int64Tensor } from '../../../shared/maths/tensor.ts';
import { parseReport } from '../../../shared/screening-report/report-json.ts';
import { lenetFile as lenet } from '../../helpers/command-line.ts';
import { poisonedSet } from '../../helpers/poisoned-set.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

// Each run compiles a model; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'screen-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the command in this process. */
async function screen(...args: string[]) {
  const said = { log: '', error: '' };
  const spies = (['log', 'error'] as const).map((stream) =>
    vi.spyOn(console, stream).mockImplementation((line) => {
      said[stream] += `${line}\n`;
    }),
  );
  try {
    const code = await main(['dataset', 'screen', ...args]);
    return { code, stdout: said.log, stderr: said.error };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

async function reportOf(name: string) {
  return parseReport(await readFile(file(name), 'utf8'));
}

describe('dataset screen of clean digits', () => {
  const count = 900;

  it('exits with 0, says what was judged, and writes what was asked for', async () => {
    const { code, stdout, stderr } = await screen(
      `synthetic-digits:${count}`,
      `--model=${lenet}`,
      `--out=${file('r.json')}`,
      `--csv=${file('r.csv')}`,
      `--html=${file('r.html')}`,
      `--remove=${file('kept.npz')}`,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/extracting/) });
    expect(stdout).toMatch(/screened 900 examples in 10 classes through mnist-lenet5: nccr, 84 neurons/);
    expect(stdout).toMatch(/0 poisoned, 10 clean, 0 too small/);
    const report = await reportOf('r.json');
    expect(report).toMatchObject({ mode: 'nccr', screening: { poisoned: [], seed: 1, classes: 10 } });
    expect((await readFile(file('r.csv'), 'utf8')).trim()).toBe(
      'row,label,class name,score,cluster,direction,file name,kind',
    );
    expect(await readFile(file('r.html'), 'utf8')).toMatch(/^<!doctype html>/);
    const kept = readNpz(await readFile(file('kept.npz')), { name: 'kept', arrays: ['x', 'y'] });
    expect([kept.x!.shape, kept.y!.shape]).toEqual([[count, 1, 28, 28], [count]]);
    expect(kept.x!.data).toEqual(drawDigits(count, 1_000_000).inputs);
  });

  it('gives the same bytes for the same seed, and other vectors for another one', async () => {
    const args = ['synthetic-digits:100', `--model=${lenet}`, '--json'];
    for (const [name, seed] of Object.entries({ a: 4, b: 4, c: 5 })) {
      expect(await screen(...args, `--seed=${seed}`, `--out=${file(`${name}.json`)}`)).toMatchObject({
        code: 0,
      });
    }
    expect(await readFile(file('a.json'))).toEqual(await readFile(file('b.json')));
    const [a, c] = [await reportOf('a.json'), await reportOf('c.json')];
    expect(a.model.compiled_digest).not.toBe(c.model.compiled_digest);
  });

  it('says in JSON which classes are too small to judge', async () => {
    const { code, stdout } = await screen('synthetic-digits:100', `--model=${lenet}`, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      examples: 100,
      poisoned: [],
      clean: [],
      too_small: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      written: [],
    });
  });

  it('takes a folder of class folders and the tar of it alike, file for file', async () => {
    const { inputs, labels } = drawDigits(120, 3_000_000);
    for (let row = 0; row < labels.length; row++) {
      const pixels = Uint8Array.from(inputs.subarray(784 * row, 784 * (row + 1)), (value) => 255 * value);
      const path = file(`digits/${labels[row]}`);
      await mkdir(path, { recursive: true });
      const image = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } }).toColourspace('b-w');
      await writeFile(join(path, `${row}.png`), await image.png().toBuffer());
    }
    await writeFile(file('digits/README.txt'), 'notes');
    await writeFile(file('digits.tar'), await (await folderArchive(file('digits'))).read(0, 1 << 24));
    const run = async (path: string, name: string) => {
      const ran = await screen(
        file(path),
        `--model=${lenet}`,
        `--out=${file(name)}`,
        `--remove=${file(`${name}.npz`)}`,
      );
      expect(ran).toMatchObject({ code: 0, stdout: expect.stringMatching(/left out 1 files.*README.txt/) });
      return reportOf(name);
    };
    const [asFolder, asTar] = [await run('digits', 'f.json'), await run('digits.tar', 't.json')];
    expect({ ...asFolder, dataset: { ...asFolder.dataset, name: 'digits.tar' } }).toEqual(asTar);
    expect(asTar.dataset).toMatchObject({
      format: 'tar',
      class_names: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    });
    const kept = readNpz(await readFile(file('f.json.npz')), { name: 'kept', arrays: ['x', 'y'] });
    expect([kept.x!.datatype, kept.x!.shape]).toEqual(['UINT8', [120, 1, 28, 28]]);
  });
});

describe('dataset screen exits with 2 and the reason', () => {
  const labels = Array.from({ length: 30 }, (_, row) => row % 10);
  const put = (name: string, { shape, y }: { shape: number[]; y: number[] }) => {
    const data = new Uint8Array(shape.reduce((product, extent) => product * extent, 1));
    const arrays = { x: { datatype: 'UINT8', shape, data } as const, y: int64Tensor(y, [y.length]) };
    return writeFile(file(name), writeNpz(arrays));
  };
  beforeAll(async () => {
    await put('wide.npz', { shape: [30, 1, 32, 32], y: labels });
    await put('eleven.npz', { shape: [30, 1, 28, 28], y: labels.map((label) => label + 1) });
    await put('one.npz', { shape: [30, 1, 28, 28], y: labels.map(() => 3) });
    await writeFile(file('cut.npz'), (await readFile(file('wide.npz'))).subarray(0, 200));
    await mkdir(file('mixed/cat'), { recursive: true });
    await writeFile(file('mixed/cat/a.png'), 'no image');
  });

  const refusals: Record<string, { path: () => string; args?: string[]; says: RegExp }> = {
    'where images have another size': {
      path: () => file('wide.npz'),
      says: /\[30, 1, 32, 32\].*reads images of \[1, 28, 28\]/,
    },
    'where a label is no class of the model': { path: () => file('eleven.npz'), says: /label 10/ },
    'where there is one class': { path: () => file('one.npz'), says: /label 3; two classes are needed/ },
    'where an archive is cut short': { path: () => file('cut.npz'), says: /cut\.npz/ },
    'where a folder holds what is no image': { path: () => file('mixed'), says: /a\.png.*|class folders/ },
    'where there is nothing': { path: () => file('nothing.npz'), says: /nothing\.npz cannot be read/ },
    'where the kind cannot be told': { path: () => lenet, says: /is none of FILE\.npz/ },
    'where the layer is not there': {
      path: () => 'synthetic-digits:20',
      args: ['--layer=fc9'],
      says: /no tensor fc9/,
    },
    'where only one array is named': {
      path: () => 'synthetic-digits:20',
      args: ['--inputs-array=x'],
      says: /given together/,
    },
    'where an option is wrong': {
      path: () => 'x',
      args: ['--mode=both'],
      says: /not one of nccr, activation/,
    },
  };
  for (const [what, { path, args = [], says }] of Object.entries(refusals)) {
    it(what, async () => {
      const before = await readdir(folder);
      const spy = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
      const { code, stderr } = await screen(path(), `--model=${lenet}`, `--out=${file('no.json')}`, ...args);
      const written = spy.mock.calls.map(([text]) => String(text)).join('');
      spy.mockRestore();
      expect({ code, said: stderr + written }).toEqual({ code: 2, said: expect.stringMatching(says) });
      expect(await readdir(folder)).toEqual(before);
    });
  }
});

describe('dataset screen writes over nothing that it reads', () => {
  it('neither the data set, by whatever path, nor the model', async () => {
    const y = int64Tensor([0, 1], [2]);
    const x = { datatype: 'UINT8', shape: [2, 1, 28, 28], data: new Uint8Array(2 * 784) } as const;
    const bytes = writeNpz({ x, y });
    await writeFile(file('own.npz'), bytes);
    await symlink(file('own.npz'), file('link.npz'));
    await writeFile(file('own.onnx'), await readFile(lenet));
    for (const over of [`--remove=${file('link.npz')}`, `--out=${file('own.onnx')}`]) {
      const { code, stderr } = await screen(file('own.npz'), `--model=${file('own.onnx')}`, over);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/is read: the result goes/),
      });
    }
    expect(await readFile(file('own.npz'))).toEqual(Buffer.from(bytes));
  });
});

const missing = sharedFolder === undefined ? ' (skipped: ../shared/models is not here)' : '';

describe.skipIf(sharedFolder === undefined)(`dataset screen of a backdoored model's data${missing}`, () => {
  const planted = 'gtsrb_badnets_t33_1';
  beforeAll(async () => {
    // Four of its 43 classes, as they lie in the archive that `dataset poison` writes.
    const { labels, pixels, poisoned } = poisonedSet(planted, [33, 21, 32, 40]);
    const rows = Int32Array.from([...poisoned.keys()].filter((row) => poisoned[row] === 1));
    const arrays = {
      x: { datatype: 'UINT8', shape: [labels.length, 3, 32, 32], data: pixels } as const,
      y: int64Tensor(labels, [labels.length]),
      poison_idx: { datatype: 'INT32', shape: [rows.length], data: rows } as const,
    };
    await writeFile(file('signs.npz'), writeNpz(arrays));
  }, 180_000);
  const run = (...args: string[]) =>
    screen(
      `npz:${file('signs.npz')}`,
      `--model=${sharedFolder}models/poisoned/${planted}.onnx`,
      '--planted=poison_idx',
      ...args,
    );

  it('exits with 1, names class 33 alone, and removes its poison', async () => {
    const { code, stdout } = await run(`--out=${file('s.json')}`, `--remove=${file('clean.npz')}`);
    expect(code).toBe(1);
    expect(stdout).toMatch(/1 poisoned, 3 clean/);
    expect(stdout).toMatch(/class 33: \d+ suspects of 360 examples/);
    const { screening, truth, thumbnails } = await reportOf('s.json');
    expect(screening.poisoned).toEqual([33]);
    // 0.97 is the bound for this set with all its 43 classes, on which 0.992 was reached.
    expect(truth!.f1).toBeGreaterThanOrEqual(0.97);
    expect(thumbnails.length).toBeGreaterThan(0);
    const arrays = ['x', 'y', 'poison_idx'];
    const before = readNpz(await readFile(file('signs.npz')), { name: 'signs', arrays });
    const after = readNpz(await readFile(file('clean.npz')), { name: 'clean', arrays });
    const [found] = screening.verdicts.filter(({ label }) => label === 33);
    const suspects = 'suspects' in found ? new Set(found.suspects.map(({ row }) => row)) : new Set<number>();
    const kept = Array.from({ length: before.y!.data.length }, (_, row) => row).filter(
      (row) => !suspects.has(row),
    );
    expect([after.x!.shape, after.y!.shape]).toEqual([[kept.length, 3, 32, 32], [kept.length]]);
    expect(Array.from(after.y!.data as BigInt64Array)).toEqual(kept.map((row) => before.y!.data[row]));
    const image = (of: typeof before, row: number) =>
      (of.x!.data as Uint8Array).slice(3072 * row, 3072 * (row + 1));
    for (const place of [0, 500, kept.length - 1])
      expect(image(after, place)).toEqual(image(before, kept[place]));
  });

  it('finds it by the activations too, and exits with 0 where nothing is to fail', async () => {
    const { code, stdout } = await run('--mode=activation', '--fail-on=none', '--json');
    expect(code).toBe(0);
    const { poisoned, truth } = JSON.parse(stdout);
    expect(poisoned).toMatchObject([{ label: 33, examples: 360, direction: 'strong' }]);
    expect(truth.f1).toBeGreaterThanOrEqual(0.97);
  });
});
