// The whole command over a data folder made here: a slice of table 1, killed and gone on with, and what is said without data.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { reproductionSchema } from '../../../shared/contracts/reproduction.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

const mainFile = fileURLToPath(new URL('../../../gpu-worker/cli/main.ts', import.meta.url));

describe('reproduce', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  const words = (...more: string[]) => [
    'reproduce',
    folder,
    '--out',
    file('out'),
    '--quick',
    '--images-max',
    '30',
    ...more,
  ];
  const report = async () =>
    reproductionSchema.parse(JSON.parse(await readFile(file('out/reproduction.json'), 'utf8')));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reproduce-'));
    for (const name of ['data/mnist', 'models']) await mkdir(file(name), { recursive: true });
    for (const name of ['mnist-lenet5', 'mnist-lenet5-pgd'])
      await copyFile(lenetFile, file(`models/${name}.onnx`));
    await writeDigits(file('data/mnist/test'), 40);
    await writeDigits(file('data/mnist/train'), 40);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('goes on where it was killed, and writes the paper’s figures beside ours', async () => {
    const running = spawn(process.execPath, [mainFile, ...words('--only', 'table-1', '--only', 'table-3')]);
    const ended = once(running, 'exit');
    const isMarked = async () =>
      (await readdir(file('out/steps')).catch((): string[] => [])).some((name) => name.endsWith('done.json'));
    while (!(await isMarked())) {
      if (running.exitCode !== null) throw new Error('it ended before its first step was done');
      await sleep(20);
    }
    // The first step is done; the second, which takes longer, is on its way.
    running.kill('SIGKILL');
    expect((await ended)[1]).toBe('SIGKILL');

    const { code, stdout, stderr } = await nccrGuard(...words('--only', 'table-1'));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).not.toContain('noise');
    expect(stdout).toMatch(/step robustness-mnist: kept from before/);
    const { tables, quick } = await report();
    expect(quick).toBe(true);
    const [{ grids, findings, steps }] = tables;
    expect(steps).toMatchObject([{ name: 'robustness-mnist', state: 'kept' }]);
    expect(grids[0].rows.map(({ label }) => label)).toEqual([
      'clean',
      'PGD of 20 steps, 30 images',
      'random noise',
    ]);
    expect(grids[0].rows[0].cells[0]).toEqual({ paper: 0.9917, ours: expect.any(Number) });
    expect(grids[0].rows[0].cells[2]).toEqual({ paper: 0.9853, ours: null });
    // One network under both names is not above itself.
    expect(findings.map(({ holds }) => holds)).toEqual([false, false]);
    const page = await readFile(file('out/reproduction.html'), 'utf8');
    expect(page).toContain('This is the quick form');
    // A step can be run alone as it is printed.
    expect(page).toContain('--name &#39;adversarially trained&#39; --dataset');
    expect(page).toContain(`href="${steps[0].page}"`);
    expect(await readFile(file(`out/${steps[0].page}`), 'utf8')).toContain('Robustness of natural');
    expect(page).not.toContain('NaN');
  }, 300_000);

  it('says what it leaves out for want of data, and fails where that is everything', async () => {
    const { code, stdout, stderr } = await nccrGuard(...words('--only', 'table-2', '--only', 'table-6'));
    expect(code).toBe(1);
    expect(stderr).toContain('the folder has the data of no step');
    expect(stdout).toMatch(/step screening: NOT RUN: there is no .*poisoned/);
    const page = await readFile(file('out/reproduction.html'), 'utf8');
    expect(page).toContain('Without a result: robustness-cifar10, screening.');
  });

  it('refuses a table that the paper does not have', async () => {
    const { code, stderr } = await nccrGuard(...words('--only', 'table-9'));
    expect(code).toBe(2);
    expect(stderr).toContain('not one of table-1');
  });
});

/** Writes drawn digits as MNIST's files. */
async function writeDigits(prefix: string, count: number): Promise<void> {
  const { inputs, labels } = drawDigits(count, 5_000_000);
  const header = (...extents: number[]) => {
    const bytes = Buffer.alloc(4 + 4 * extents.length);
    bytes.set([0, 0, 8, extents.length]);
    for (const [axis, extent] of extents.entries()) bytes.writeUInt32BE(extent, 4 + 4 * axis);
    return bytes;
  };
  const pixels = Uint8Array.from(inputs, (value) => Math.round(255 * value));
  await writeFile(`${prefix}-images-idx3-ubyte`, Buffer.concat([header(count, 28, 28), pixels]));
  await writeFile(`${prefix}-labels-idx1-ubyte`, Buffer.concat([header(count), Uint8Array.from(labels)]));
}
