import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import {
  type RobustnessReport,
  robustnessReportSchema,
} from '../../../shared/contracts/robustness-report.ts';
import { float32Tensor, int64Tensor } from '../../../shared/maths/tensor.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

const evaluate = (...args: string[]) => nccrGuard('model', 'evaluate', ...args);
const small = ['--dataset', 'synthetic-digits:24', '--sets', '3', '--attack-images', '4', '--engine', 'cpu'];

describe('model evaluate', () => {
  let folder: string;
  let report: RobustnessReport;
  const file = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'evaluate-'));
    const made = await evaluate(
      lenetFile,
      ...small,
      '--out',
      file('first.json'),
      '--html',
      file('page.html'),
      '--json',
    );
    expect(made.code, made.stderr).toBe(0);
    report = robustnessReportSchema.parse(JSON.parse(made.stdout));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('writes the report as JSON and as a page', async () => {
    expect(JSON.parse(await readFile(file('first.json'), 'utf8'))).toEqual(report);
    expect(await readFile(file('page.html'), 'utf8')).toContain('mnist-lenet5: NCCR');
    const [{ relative, l2, accuracy, per_layer, per_class }] = report.models;
    expect(report.noise).toEqual({ family: 'gaussian', epsilon: 0.3, sets: 3, seed: 1, range: [0, 1] });
    expect(report.attack).toMatchObject({ epsilon: 0.3, images: 4 });
    expect(relative.sets).toHaveLength(3);
    expect(relative.box.count).toBe(24);
    expect(l2.mean).toBeGreaterThan(relative.mean);
    expect(accuracy.clean).toBeGreaterThan(0.9);
    // PGD at 0.3 turns what LeNet-5 knows.
    expect(accuracy.pgd).toBeLessThan(0.5);
    expect(per_layer.map(({ tensor }) => tensor)).toEqual(['conv1', 'conv2', 'fc1', 'fc2']);
    expect(per_class.reduce((sum, { images }) => sum + images, 0)).toBe(24);
  });

  it('gives the same figures again, side by side with another model, and tells the two apart or says that it cannot', async () => {
    await copyFile(lenetFile, file('copy.onnx'));
    const run = await evaluate(lenetFile, file('copy.onnx'), ...small, '--out', file('two.json'));
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/relative NCCR: mnist-lenet5 above copy in 0 of 3 sets .*: not told apart/);
    const two: RobustnessReport = JSON.parse(await readFile(file('two.json'), 'utf8'));
    expect(two.models[0]).toEqual(report.models[0]);
    expect({ ...two.models[1], name: 'mnist-lenet5' }).toEqual(report.models[0]);
  });

  it('ends with 1 where a model is above the gate, with 0 where none is, and with 2 where it cannot tell', async () => {
    const gate = (limit: number) =>
      evaluate(lenetFile, ...small, '--fail-above', String(limit), '--keep', file('kept'));
    const [mean] = report.models.map(({ relative }) => relative.mean);
    expect(await gate(mean * 0.9)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/above the relative NCCR of .*mnist-lenet5/),
    });
    expect((await gate(mean * 1.1)).code).toBe(0);
    expect((await evaluate(file('absent.onnx'), ...small, '--fail-above', '1')).code).toBe(2);
  });

  it('keeps a model that is done, reads it the next time, and makes a damaged one again', async () => {
    const kept = (await readdir(file('kept'))).filter((name) => name.endsWith('.json'));
    expect(kept).toHaveLength(1);
    const path = join(file('kept'), kept[0]);
    const stored = JSON.parse(await readFile(path, 'utf8'));
    expect(stored).toEqual(report.models[0]);
    await writeFile(path, JSON.stringify({ ...stored, accuracy: { ...stored.accuracy, clean: 0.125 } }));
    const again = await evaluate(lenetFile, ...small, '--keep', file('kept'), '--json');
    expect(JSON.parse(again.stdout).models[0].accuracy.clean).toBe(0.125);
    await writeFile(path, '{"half');
    const mended = await evaluate(lenetFile, ...small, '--keep', file('kept'), '--json');
    expect(mended.stderr).toMatch(/damaged; it is made again/);
    expect(JSON.parse(mended.stdout).models).toEqual(report.models);
  });

  it('takes earlier reports of the same images as a trend, and refuses those of others', async () => {
    const args = ['--earlier', file('first.json'), '--html', file('trend.html'), '--keep', file('kept')];
    const run = await evaluate(lenetFile, ...small, ...args, '--json');
    expect(run.code, run.stderr).toBe(0);
    const { earlier } = JSON.parse(run.stdout) as RobustnessReport;
    expect(earlier).toMatchObject([
      { name: 'mnist-lenet5', created_at: report.created_at, pgd: report.models[0].accuracy.pgd },
    ]);
    expect(await readFile(file('trend.html'), 'utf8')).toContain('<h2>Versions</h2>');
    for (const other of [
      ['--seed', '2'],
      ['--epsilon', '0.2'],
      ['--images', '20'],
    ]) {
      const refused = await evaluate(lenetFile, ...small, '--earlier', file('first.json'), ...other);
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/no trend can be read off/) });
    }
    const page = await evaluate(lenetFile, ...small, '--earlier', file('page.html'));
    expect(page).toMatchObject({ code: 2, stderr: expect.stringMatching(/is not JSON/) });
  });

  it('refuses options that contradict each other or change nothing', async () => {
    for (const [args, why] of [
      [['--sets', '1'], /--sets is from 2 to 30/],
      [['--sets', '31'], /--sets is from 2 to 30/],
      [['--name', 'a', '--name', 'b'], /2 names for 1 models/],
      [['--attack-images', '0', '--attack-epsilon', '0.1'], /--attack-epsilon changes nothing/],
      [['--images', '25'], /25 images are asked for/],
      [['--layer', 'nowhere'], /no tensor nowhere/],
      [['--output', 'nowhere'], /nowhere/],
    ] as const) {
      expect(await evaluate(lenetFile, ...small, ...args)).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(why),
      });
    }
    expect((await evaluate(lenetFile, lenetFile, ...small)).stderr).toMatch(
      /two models are called mnist-lenet5/,
    );
  });

  it('refuses images of one class, of another shape, or with what is no number', async () => {
    const refused = async (shape: number[], labels: number[], value: number) => {
      const x = new Float32Array(shape.reduce((product, extent) => product * extent, 1)).fill(value);
      const arrays = { x: float32Tensor(x, shape), y: int64Tensor(labels, [labels.length]) };
      await writeFile(file('images.npz'), writeNpz(arrays));
      const args = [
        '--dataset',
        `npz:${file('images.npz')}`,
        '--sets',
        '2',
        '--engine',
        'cpu',
        '--out',
        file('none.json'),
      ];
      const run = await evaluate(lenetFile, ...args);
      expect(run.code).toBe(2);
      return run.stderr;
    };
    expect(await refused([2, 1, 28, 28], [3, 3], 0.5)).toMatch(/has 1 class; two are needed/);
    expect(await refused([2, 1, 14, 14], [1, 3], 0.5)).toMatch(/the model reads \[1, 28, 28\]/);
    expect(await refused([2, 1, 28, 28], [1, 3], Number.NaN)).toMatch(/every value must be finite/);
    expect(await refused([2, 1, 28, 28], [1, 10], 0.5)).toMatch(/label 10/);
    expect(await refused([2, 784], [1, 3], 0.5)).toMatch(/name the bound of the noise with --epsilon/);
    expect(await readdir(folder)).not.toContain('none.json');
  });
});
