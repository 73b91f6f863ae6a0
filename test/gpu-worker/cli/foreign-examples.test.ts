import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallestPgd } from '../../../gpu-worker/attacks/pgd.ts';
import { openDetectorWork } from '../../../gpu-worker/cli/detector-work.ts';
import { writeForeignExamples } from '../../../gpu-worker/datasets/foreign-examples.ts';
import { drawDigit, drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

// Examples as another tool would hand them over: arrays in a file, nothing else known of them.
describe('adversarial examples of other tools', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  const digits = drawDigits(120, 77);
  const write = (name: string, inputs: Float32Array, { inputShape, labels } = digits) =>
    writeFile(
      file(name),
      writeForeignExamples({ inputs, inputShape, labels }, { layout: 'nhwc', datatype: 'FP32' }),
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foreign-'));
    const noise = [{ family: 'gaussian', epsilon: 0.3, rows: 16, copies: 1 }];
    const plan = extractionPlanSchema.parse({ input_range: [0, 1], noise, taps: [] });
    const work = await openDetectorWork(await readFile(lenetFile), { name: 'digits', plan, seed: 1 });
    const { inputs } = await smallestPgd(work.target, digits, { epsilonMax: 0.5 });
    await work.close();
    await write('pgd.npz', inputs);
    // A digit that the model reads right, whatever the other drawn ones are like.
    await write('clean.npz', drawDigit(3, 1), { ...digits, labels: Int32Array.of(3) });
    const damaged = inputs.slice();
    damaged[5] = Number.NaN;
    await write('nan.npz', damaged);
    await write('wide.npz', inputs, { ...digits, inputShape: [1, 14, 56] });
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  const detector = (...words: string[]) =>
    nccrGuard('detector', ...words.flatMap((text) => text.split(' ').filter(Boolean)));
  const calibrate = (examples: string, ...more: string[]) =>
    detector(
      `calibrate ${lenetFile} --name digits --vector rank-gaps --images 200 --dataset synthetic-digits:200`,
      `--layout nhwc --adversarial ${file(examples)} --out ${file('detector.json')} --json`,
      more.join(' '),
    );

  it('train a detector and test one', async () => {
    const made = await calibrate('pgd.npz');
    expect(made.code, made.stderr).toBe(0);
    expect(JSON.parse(made.stdout).calibration.attacks).toEqual([
      expect.stringMatching(/^foreign:.*pgd\.npz$/),
    ]);
    const tested = await detector(
      `evaluate ${lenetFile} --detector ${file('detector.json')} --layout nhwc --json`,
      `--dataset synthetic-digits:100 --images 100 --adversarial ${file('pgd.npz')}`,
    );
    const { attacks } = JSON.parse(tested.stdout);
    expect(attacks).toHaveLength(1);
    expect(attacks[0]).toMatchObject({ attack: expect.stringMatching(/pgd\.npz$/), median_epsilon: null });
    expect(attacks[0].auroc).toBeGreaterThan(0.98);
  }, 120_000);

  it.each([
    ['clean.npz', /the model gets all \d+ examples of .*clean\.npz right/],
    ['nan.npz', /not (a )?finite|NaN/],
    ['wide.npz', /14.*56.*28.*28|28.*28.*14.*56/],
    ['absent.npz', /absent\.npz/],
  ])(
    'are refused with the reason where %s holds none that fit, and nothing is written',
    async (name, says) => {
      const before = await readdir(folder);
      const run = await calibrate(name, '--out', file('refused.json'));
      expect(run.stderr).toMatch(says);
      expect(run.code).toBe(1);
      expect(await readdir(folder)).toEqual(before);
    },
  );
});
