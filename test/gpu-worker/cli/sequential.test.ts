// A sequential detector from the command line: calibrated, evaluated, compiled a graph a stage, and what refuses it.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import {
  type DetectorArtefact,
  detectorArtefactSchema,
} from '../../../shared/contracts/detector-artefact.ts';
import { loadSequentialTest, stagePlan } from '../../../shared/detector/sequential-test.ts';
import { nccrGuard } from '../../helpers/command-line.ts';

const lenet = fileURLToPath(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
let folder: string;
let artefact: DetectorArtefact;
const file = (name: string) => join(folder, name);

function calibrate(...args: readonly string[]) {
  const source = ['--dataset', 'synthetic-digits:160', '--images', '160'];
  return nccrGuard('detector', 'calibrate', lenet, '--name', 'digits', ...source, ...args);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nccr-guard-sequential-'));
  const made = await calibrate(
    '--vector',
    'rank-gaps',
    '--copies',
    '4',
    '--sequential',
    '--out',
    file('d.json'),
    '--json',
  );
  expect(made.code, made.stderr).toBe(0);
  artefact = detectorArtefactSchema.parse(JSON.parse(await readFile(file('d.json'), 'utf8')));
  expect(JSON.parse(made.stdout).sequential).toMatchObject({
    clean_copies: artefact.sequential!.clean_copies,
  });
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('detector calibrate --sequential', () => {
  it('fits stages that take the copies two by two, beside the full test', () => {
    const { sequential, plan, vector, threshold } = artefact;
    expect(sequential!.stages.map(({ runs }) => runs)).toEqual([[0], [1, 2], [3, 4]]);
    expect(plan.taps).toMatchObject([{ kind: 'activations', neurons: 84 }]);
    expect(vector).toEqual({ design: 'rank-gaps', length: 9 });
    expect(sequential!.threshold.calibration_samples).toBe(threshold.calibration_samples);
    expect(loadSequentialTest(artefact, sequential!).stages.length).toBe(3);
  });

  it('is refused beside --auto and --tap, and where a class has too few inputs for its activations', async () => {
    for (const other of [['--auto'], ['--tap', 'fc2']]) {
      const run = await calibrate('--sequential', ...other, '--out', file('x.json'));
      expect(run).toMatchObject({ code: 2, stderr: expect.stringMatching(/cannot be used with/) });
    }
    const few = ['--dataset', 'synthetic-digits:60', '--images', '60', '--vector', 'rank-gaps'];
    const run = await nccrGuard(
      'detector',
      'calibrate',
      lenet,
      '--name',
      'd',
      ...few,
      '--sequential',
      '--out',
      file('x.json'),
    );
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/need at least 20 clean inputs/) });
    expect(await readdir(folder)).not.toContain('x.json');
  }, 120_000);
});

describe('a sequential detector', () => {
  it('is evaluated beside its full test, with what it costs', async () => {
    const run = await nccrGuard(
      'detector',
      'evaluate',
      lenet,
      '--detector',
      file('d.json'),
      '--dataset',
      'synthetic-digits:80',
      '--images',
      '80',
      '--attack',
      'fgsm',
      '--json',
    );
    expect(run.code, run.stderr).toBe(0);
    const { sequential, attacks } = JSON.parse(run.stdout);
    expect(sequential.full_forwards).toBe(5);
    expect(sequential.clean_forwards).toBeGreaterThanOrEqual(1);
    expect(sequential.clean_forwards).toBeLessThan(5);
    // The detector of MNIST reaches 1.000 on these digits; the slack is for 80 training images.
    expect(sequential.attacks[0].auroc).toBeGreaterThan(0.97);
    expect(sequential.attacks[0].auroc_gain).toBeCloseTo(sequential.attacks[0].auroc - attacks[0].auroc, 10);
    const shares = sequential.clean_ends.map(({ share }: { share: number }) => share);
    expect(shares.reduce((sum: number, share: number) => sum + share, 0)).toBeCloseTo(1, 10);
  }, 120_000);

  it('is compiled as a graph a stage, of those parts of its plan', async () => {
    const run = await nccrGuard(
      'model',
      'compile',
      lenet,
      '--name',
      'digits',
      '--detector',
      file('d.json'),
      '--noise-key',
      file('d.key'),
      '--out',
      file('d.compiled.onnx'),
    );
    expect(run.code, run.stderr).toBe(0);
    for (const [stage, { runs }] of artefact.sequential!.stages.entries()) {
      const compiled = readCompiledModel(await readFile(file(`d.compiled.stage-${stage}.onnx`)));
      expect(compiled.plan).toEqual(stagePlan(artefact.plan, runs));
    }
    expect(await readdir(folder)).not.toContain('d.compiled.onnx');
  }, 180_000);

  it('is not attacked', async () => {
    const run = await nccrGuard(
      'detector',
      'attack',
      lenet,
      '--detector',
      file('d.json'),
      '--dataset',
      'synthetic-digits:20',
    );
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/has a sequential test/) });
  }, 180_000);
});
