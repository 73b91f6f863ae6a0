import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { mlpOfArtefact, mlpScore } from '../../../shared/detector/mlp.ts';
import { lenetFile as lenet, nccrGuard, nccrGuardProcess } from '../../helpers/command-line.ts';

const root = join(import.meta.dirname, '../../..');

/** A model `x` to `logits` with one node of an operator, and a row count that the input declares or not. */
function oneNodeModel(opType: string, shape: (number | string)[]): Uint8Array {
  const model = newModel('one-node', 16);
  const graph = buildOn(model, 't');
  graph.input('x', shape);
  graph.op(opType, ['x'], {}, 'logits');
  graph.output('logits', shape);
  return saveModel(model);
}

describe('the command line', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cli-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is a process that helps, and says what it did not understand with code 2', async () => {
    expect((await nccrGuardProcess('--help')).stdout).toMatch(/model\b[\s\S]*detector\b/);
    expect((await nccrGuardProcess('detector', 'calibrate', '--help')).stdout).toMatch(/--target-fpr/);
    expect(await nccrGuardProcess('bogus')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/unknown command/),
    });
    const wrong = await nccrGuardProcess(
      'model',
      'compile',
      lenet,
      '--name',
      'm',
      '--out',
      file('m'),
      '--noise-key',
      file('k'),
      '--copies',
      '0',
    );
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/whole number/) });
  });

  it('ends quietly where nobody reads what it says, with its own exit code', async () => {
    const unread = async (...args: string[]) => {
      const main = join(root, 'gpu-worker/cli/main.ts');
      const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      child.stdout.destroy();
      const said: Buffer[] = [];
      child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
      const [code] = await once(child, 'close');
      return { code, stderr: Buffer.concat(said).toString() };
    };
    expect(await unread('--help')).toEqual({ code: 0, stderr: '' });
    expect((await unread('detector', 'verify', file('nowhere'), '--public-key', 'x')).code).not.toBe(0);
  });

  it('is a process that compiles a model, makes a key for its owner alone, and compiles the same bytes with it again', async () => {
    const args = [
      'model',
      'compile',
      lenet,
      '--name',
      'digits',
      '--noise-key',
      file('noise.key'),
      '--tap',
      'conv2',
    ];
    const first = await nccrGuardProcess(...args, '--out', file('a.onnx'), '--json');
    expect(first.code).toBe(0);
    const summary = JSON.parse(first.stdout);
    const bytes = await readFile(file('a.onnx'));
    expect(summary.digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    expect(readCompiledModel(bytes).plan.taps).toEqual([{ kind: 'layer', tensor: 'conv2' }]);
    expect((await stat(file('noise.key'))).mode & 0o777).toBe(0o600);
    await nccrGuardProcess(...args, '--out', file('b.onnx'));
    expect(await readFile(file('b.onnx'))).toEqual(bytes);
  });

  it('compiles a model for screening, of a mode and a layer, and not as a guard as well', async () => {
    const compile = (...args: string[]) =>
      nccrGuard('model', 'compile', lenet, '--name=digits', `--noise-key=${file('screen.key')}`, ...args);
    const first = await compile('--screening', `--out=${file('s.onnx')}`);
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/screening \(nccr\): reads the 84 neurons of fc2/),
    });
    const { screening, plan } = readCompiledModel(await readFile(file('s.onnx')));
    expect([screening, plan.noise[0].copies]).toEqual(['nccr', 3]);
    const other = await compile(
      '--screening=activation',
      '--layer=fc1',
      `--out=${file('a1.onnx')}`,
      '--json',
    );
    expect(JSON.parse(other.stdout).compiled).toMatchObject({
      screening: 'activation',
      plan: { taps: [{ kind: 'activations', tensor: 'fc1', neurons: 120 }], only: [0] },
    });
    expect(await compile('--screening', '--epsilon=0.2', `--out=${file('x')}`)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/screening.*cannot be used with.*epsilon/),
    });
    expect(await compile('--layer=fc1', `--out=${file('x')}`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/--layer is read with --screening/),
    });
  });

  const refused: Record<string, { bytes: Uint8Array; says: RegExp }> = {
    'is not ONNX': { bytes: new TextEncoder().encode('root:x:0:0\n'), says: /not an ONNX file/ },
    'has no batch dimension': {
      bytes: oneNodeModel('Relu', [4]),
      says: /input x has shape \[4\].*no batch dimension/,
    },
    'has an operator that the runtime does not know': {
      bytes: oneNodeModel('Frobnicate', ['N', 4]),
      says: /Frobnicate/,
    },
  };
  for (const [what, { bytes, says }] of Object.entries(refused)) {
    it(`says why a model that ${what} is refused, and leaves no file`, async () => {
      await writeFile(file('bad.onnx'), bytes);
      const before = await readdir(folder);
      const run = await nccrGuard(
        'model',
        'compile',
        file('bad.onnx'),
        '--name',
        'm',
        '--out',
        file('out.onnx'),
        '--noise-key',
        file('new.key'),
      );
      expect(run.stderr).toMatch(says);
      expect(run.code).toBe(1);
      expect(await readdir(folder)).toEqual(before);
    });
  }

  it('is a process that names a tap that the model does not have', async () => {
    const args = ['--name', 'm', '--out', file('t.onnx'), '--noise-key', file('t.key'), '--tap', 'conv9'];
    const run = await nccrGuardProcess('model', 'compile', lenet, ...args);
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/conv9/) });
  });

  it('names the node of an operator that has no gradient', async () => {
    const model = newModel('hardened', 16);
    const graph = buildOn(model, 't');
    graph.input('x', ['N', 1, 28, 28]);
    graph.op('Hardmax', [graph.op('Flatten', ['x'], { axis: 1 })], {}, 'logits');
    graph.output('logits', ['N', 784]);
    await writeFile(file('hardened.onnx'), saveModel(model));
    const run = await nccrGuard(
      'detector',
      'calibrate',
      file('hardened.onnx'),
      '--name',
      'm',
      '--dataset',
      'synthetic-digits:100',
      '--images',
      '100',
      '--out',
      file('hardened.json'),
    );
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/Hardmax.*logits|logits.*Hardmax/) });
  });

  describe('calibration', () => {
    const calibrate = (...args: string[]) =>
      nccrGuard('detector', 'calibrate', lenet, '--name', 'digits', ...args);

    it('makes a detector that evaluation confirms on other digits', async () => {
      const out = file('detector.json');
      const made = await calibrate(
        '--vector',
        'rank-gaps',
        '--dataset',
        'synthetic-digits:200',
        '--images',
        '200',
        '--out',
        out,
        '--json',
      );
      expect(made.code, made.stderr).toBe(0);
      const artefact = detectorArtefactSchema.parse(JSON.parse(await readFile(out, 'utf8')));
      const bytes = await readFile(lenet);
      expect(artefact.model.digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
      expect(artefact.mlp.parameters).toBe(1792);
      expect(artefact.calibration.training.digest).not.toBe(artefact.calibration.threshold.digest);
      const mlp = mlpOfArtefact(artefact);
      expect(mlpScore(mlp, artefact.self_check.vectors[0])).toBe(artefact.self_check.scores[0]);

      const args = [
        '--detector',
        out,
        '--dataset',
        'synthetic-digits:100',
        '--images',
        '100',
        '--attack',
        'fgsm',
        '--json',
      ];
      const run = await nccrGuard('detector', 'evaluate', lenet, ...args);
      expect(run.code, run.stderr).toBe(0);
      const report = JSON.parse(run.stdout);
      // The detector of MNIST reaches 1.000 on these digits; the slack is for 100 training images.
      expect(report.attacks[0].auroc).toBeGreaterThan(0.98);
      expect(report.attacks[0].auroc_l2).toBeLessThan(0.85);
      expect(report.fpr).toBeLessThanOrEqual(report.fpr_interval[1]);
    });

    it('refuses fewer images than the target rate needs, with the number it needs', async () => {
      const run = await calibrate(
        '--dataset',
        'synthetic-digits:100',
        '--images',
        '100',
        '--target-fpr',
        '0.01',
        '--out',
        file('few.json'),
      );
      expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/at least 198, not 100/) });
      expect(await readdir(folder)).not.toContain('few.json');
    });

    it('refuses more images than there are, an unknown data set and an unknown source', async () => {
      const few = await calibrate(
        '--dataset',
        'synthetic-digits:50',
        '--images',
        '100',
        '--out',
        file('x.json'),
      );
      expect(few).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/100 images are asked for.*has 50/),
      });
      const absent = await calibrate('--dataset', `idx:${folder}/nowhere`, '--out', file('x.json'));
      expect(absent).toMatchObject({ code: 1, stderr: expect.stringMatching(/neither .*train-images/) });
      const unknown = await calibrate('--dataset', 'webdataset:x', '--out', file('x.json'));
      expect(unknown).toMatchObject({ code: 1, stderr: expect.stringMatching(/neither idx:FOLDER/) });
    });
  });

  it('does not evaluate a detector on the set it was calibrated on, nor with another model', async () => {
    const detector = join(root, 'gpu-worker/demo/assets/mnist-lenet5.detector.json');
    const other = file('other.onnx');
    await writeFile(other, oneNodeModel('Relu', ['N', 4]));
    const mixed = await nccrGuard(
      'detector',
      'evaluate',
      other,
      '--detector',
      detector,
      '--dataset',
      'synthetic-digits:50',
    );
    expect(mixed).toMatchObject({ code: 1, stderr: expect.stringMatching(/was made for the model sha256:/) });
    await writeFile(file('broken.json'), '{"format": "nccr-guard/detector"}');
    const broken = await nccrGuard(
      'detector',
      'evaluate',
      lenet,
      '--detector',
      file('broken.json'),
      '--dataset',
      'synthetic-digits:50',
    );
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringMatching(/broken.json: format_version/) });
  });
});
