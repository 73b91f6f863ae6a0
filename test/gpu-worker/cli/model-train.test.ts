import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nccrGuard } from '../../helpers/command-line.ts';

describe('model train', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'train-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const trainAny = (...args: string[]) => nccrGuard('model', 'train', ...args);
  const train = (...args: string[]) => trainAny('--architecture', 'lenet5', ...args);

  it('trains a network that the other commands take', async () => {
    const out = file('digits.onnx');
    const run = await train('--dataset', 'synthetic-digits:300', '--epochs', '5', '--out', out);
    expect(run).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/accuracy (9\d|100)\.\d\d % of 300 test images\nwrote .*sha256:/),
      stderr: expect.stringMatching(/epoch 5 of 5.*\n.*images\/s/),
    });
    const further = ['--from', out, '--dataset', 'synthetic-digits:20', '--epochs', '1', '--json'];
    const { stdout } = await trainAny(
      ...further,
      '--adversarial-epsilon',
      '0.05',
      '--out',
      file('more.onnx'),
    );
    expect(JSON.parse(stdout)).toMatchObject({
      epochs: [{ epoch: 1 }],
      accuracy: { natural: expect.any(Number), attacked: expect.any(Number) },
    });
    const args = ['--name', 'm', '--noise-key', file('key'), '--out', file('compiled.onnx')];
    const compiled = await nccrGuard('model', 'compile', out, ...args);
    expect(compiled).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/input \[1, 28, 28\], 10 classes/),
    });
  }, 180_000);

  it('refuses bad data with a reason and writes nothing', async () => {
    const out = file('refused.onnx');
    const one = await train('--dataset', 'synthetic-digits:1', '--out', out);
    expect(one).toMatchObject({ code: 1, stderr: expect.stringMatching(/1 class; two are needed/) });
    const npz = await train('--dataset', 'npz:train.npz', '--out', out);
    expect(npz).toMatchObject({ code: 1, stderr: expect.stringMatching(/--test-dataset/) });
    const wrong = await trainAny('--architecture', 'vgg', '--dataset', 'x', '--out', out);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/lenet5, cnn6/) });
    const none = await trainAny('--dataset', 'synthetic-digits:20', '--out', out);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/--architecture or .*--from/) });
    const place = await train('--dataset', 'synthetic-digits:20', '--out', folder);
    expect(place).toMatchObject({ code: 1, stderr: expect.stringMatching(/is a folder/) });
    expect(await readdir(folder)).not.toContain('refused.onnx');
  }, 180_000);
});
