import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { main } from '../../../gpu-worker/cli/main.ts';
import { writeForeignExamples } from '../../../gpu-worker/datasets/foreign-examples.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { buildOn, type GraphBuilder, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { lenetFile } from '../../helpers/command-line.ts';

const assets = join(import.meta.dirname, '../../../gpu-worker/demo/assets');
const detector = join(assets, 'mnist-lenet5.detector.json');
const command = join(import.meta.dirname, '../../../gpu-worker/cli/main.ts');

/** A model of digits whose output is whatever `build` makes of them. */
function digitModel(shape: (number | string)[], build: (graph: GraphBuilder) => void): Uint8Array {
  const model = newModel('odd', 16);
  const graph = buildOn(model, 't');
  graph.input('x', ['N', 1, 28, 28]);
  build(graph);
  graph.output('logits', shape);
  return saveModel(model);
}

describe('what the detector commands cannot work with', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  const digits = drawDigits(60, 9);
  const write = (name: string, labels: ArrayLike<number>, inputs = digits.inputs) =>
    writeFile(
      file(name),
      writeForeignExamples(
        { inputs, inputShape: digits.inputShape, labels },
        { layout: 'nchw', datatype: 'FP32' },
      ),
    );
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bad-'));
    const damaged = digits.inputs.slice();
    damaged[3 * 784 + 5] = Number.NaN;
    await write('one-class.npz', new Int32Array(60).fill(3));
    await write('nan.npz', digits.labels, damaged);
    await write('good.npz', digits.labels);
    await write('copy.npz', digits.labels);
    await write(
      'eleven.npz',
      digits.labels.map((label) => label + 1),
    );
    await writeFile(
      file('image.onnx'),
      digitModel(['N', 1, 28, 28], (graph) => graph.op('Relu', ['x'], {}, 'logits')),
    );
    await writeFile(
      file('one-logit.onnx'),
      digitModel(['N', 1], (graph) => {
        const flat = graph.op('Flatten', ['x'], { axis: 1 });
        graph.op('ReduceMax', [flat], { axes: [1], keepdims: 1 }, 'logits');
      }),
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Runs a command line with a place to write to, and says what it said. */
  async function run(line: string): Promise<{ code: number; said: string }> {
    const said: string[] = [];
    const keep = (...words: unknown[]) => void said.push(words.join(' '));
    const spies = [vi.spyOn(console, 'error'), vi.spyOn(console, 'log')].map((spy) =>
      spy.mockImplementation(keep),
    );
    try {
      const code = await main(['detector', ...line.split(' ').filter(Boolean)]);
      return { code, said: said.join('\n') };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }

  const small = '--transforms w0-grey --epsilon 0.3 --seeds 1 --design margin-changes';
  const calibrate = (model: string, more: string) =>
    `calibrate ${model} --name m --images 60 --out ${file('out.json')} ${more}`;
  const table = (model: string, more: string) =>
    `table ${model} ${small} --budgets 0.2 --out ${file('out.json')} --html ${file('out.html')} ${more}`;
  const evaluate = (more: string) =>
    `evaluate ${lenetFile} --detector ${detector} --out ${file('out.json')} ${more}`;
  const attack = (more: string) =>
    `attack ${lenetFile} --detector ${detector} --images 10 --out ${file('out.json')} ${more}`;
  const sixty = 'synthetic-digits:60';
  const tableSizes = '--train-images 20 --threshold-images 20 --test-images 20';

  const cases: [string, () => string, RegExp][] = [
    [
      'calibrate: a model whose output is an image',
      () => calibrate(file('image.onnx'), `--dataset ${sixty}`),
      /logits has shape \[N, 1, 28, 28\]: no row of logits/,
    ],
    [
      'calibrate: a model with a single logit',
      () => calibrate(file('one-logit.onnx'), `--dataset ${sixty}`),
      /logits has 1 class instead of two or more/,
    ],
    [
      'table: a model whose output is an image',
      () => table(file('image.onnx'), `--dataset ${sixty} ${tableSizes}`),
      /logits has shape \[N, 1, 28, 28\]: no row of logits/,
    ],
    [
      'calibrate: a data set with one class',
      () => calibrate(lenetFile, `--dataset npz:${file('one-class.npz')}`),
      /one-class\.npz has 1 class; two are needed/,
    ],
    [
      'evaluate: a data set with one class',
      () => evaluate(`--images 60 --dataset npz:${file('one-class.npz')}`),
      /one-class\.npz has 1 class; two are needed/,
    ],
    [
      'table: a data set with one class',
      () => table(lenetFile, `--dataset npz:${file('one-class.npz')} ${tableSizes}`),
      /one-class\.npz has 1 class; two are needed/,
    ],
    [
      'attack: a data set with one class',
      () => attack(`--dataset npz:${file('one-class.npz')}`),
      /one-class\.npz has 1 class; two are needed/,
    ],
    [
      'calibrate: a label that the model does not have',
      () => calibrate(lenetFile, `--dataset npz:${file('eleven.npz')}`),
      /has label 10, the model has 10 classes/,
    ],
    [
      'calibrate: fewer inputs than the target rate needs',
      () => calibrate(lenetFile, `--dataset ${sixty} --target-fpr 0.01`),
      /at least 198, not 60/,
    ],
    [
      'calibrate --auto: fewer inputs than folds of the target rate need',
      () => calibrate(lenetFile, `--dataset ${sixty} --auto`),
      /at least 114 in all, not 60/,
    ],
    [
      'table: fewer inputs for the threshold than its rate needs',
      () => table(lenetFile, `--dataset ${sixty} --train-images 20 --threshold-images 10 --test-images 20`),
      /needs at least 19 clean calibration inputs, there are 10/,
    ],
    [
      'table: fewer inputs than are asked for to train and to set the threshold',
      () => table(lenetFile, `--dataset ${sixty} --train-images 50 --threshold-images 20 --test-images 20`),
      /70 images are asked for.*60/,
    ],
    [
      'table: fewer inputs than are asked for to test',
      () => table(lenetFile, `--dataset ${sixty} --train-images 20 --threshold-images 20 --test-images 99`),
      /99 images are asked for.*60/,
    ],
    [
      'table: the same images to train and to test on',
      () => table(lenetFile, `--dataset npz:${file('good.npz')} ${tableSizes}`),
      /good\.npz is the set that the designs are trained on: test on another/,
    ],
    [
      'table: the same images under another name',
      () =>
        table(
          lenetFile,
          `--dataset npz:${file('good.npz')} --test-dataset npz:${file('copy.npz')} ${tableSizes}`,
        ),
      /copy\.npz is the set that the designs are trained on: test on another/,
    ],
    [
      'attack: fewer inputs than are asked for',
      () => attack('--images 99 --dataset synthetic-digits:20'),
      /99 images are asked for.*20/,
    ],
    [
      'calibrate: a value that is no number among foreign examples',
      () => calibrate(lenetFile, `--dataset ${sixty} --adversarial ${file('nan.npz')}`),
      /nan\.npz.*not finite|nan\.npz.*NaN/,
    ],
    [
      'evaluate: a value that is no number among foreign examples',
      () => evaluate(`--images 60 --dataset ${sixty} --adversarial ${file('nan.npz')}`),
      /nan\.npz.*not finite|nan\.npz.*NaN/,
    ],
    [
      'evaluate: a value that is no number in the data set',
      () => evaluate(`--images 60 --dataset npz:${file('nan.npz')}`),
      /nan\.npz.*not finite|nan\.npz.*NaN/,
    ],
    [
      'attack: a value that is no number in the data set',
      () => attack(`--dataset npz:${file('nan.npz')}`),
      /nan\.npz.*not finite|nan\.npz.*NaN/,
    ],
    [
      'calibrate: an attack that never succeeds',
      () => calibrate(lenetFile, `--dataset ${sixty} --budgets 0.000001`),
      /fgsm-fixed never succeeded on the \d+ inputs/,
    ],
    [
      'evaluate: an attack that never succeeds',
      () => evaluate(`--images 60 --dataset ${sixty} --attack pgd-fixed --epsilon 0.000001`),
      /pgd-fixed never succeeded on the \d+ inputs/,
    ],
    [
      'table: an attack that never succeeds',
      () =>
        table(lenetFile, `--dataset ${sixty} ${tableSizes}`).replace('--budgets 0.2', '--budgets 0.000001'),
      /never succeeded on the \d+ inputs/,
    ],
    [
      'attack: budgets at which none ever succeeds',
      () => attack(`--dataset ${sixty} --budgets 0.000001 --steps 2 --draws 1 --queries 10`),
      /no attack ever succeeded/,
    ],
  ];

  it.each(cases)(
    '%s is refused with the reason and nothing is written',
    async (_, line, says) => {
      const before = await readdir(folder);
      const { code, said } = await run(line());
      expect(said).toMatch(says);
      expect(code).toBe(1);
      expect(await readdir(folder)).toEqual(before);
    },
    180_000,
  );

  it.each([
    ['calibrate', () => calibrate(lenetFile, `--dataset ${sixty}`)],
    ['evaluate', () => evaluate(`--images 60 --dataset ${sixty}`)],
    ['attack', () => attack(`--dataset ${sixty}`)],
    ['table', () => table(lenetFile, `--dataset ${sixty} ${tableSizes}`)],
  ] as const)('%s refuses a folder to write to before it works for it', async (_, line) => {
    const { code, said } = await run(line().replace(file('out.json'), folder));
    expect(said).toMatch(/is a folder/);
    expect(code).toBe(1);
  });

  it.each(['--vector strict', '--adversarial examples.npz'])(
    'calibrate --auto is not combined with %s, which it would not heed',
    async (other) => {
      const { code } = await run(calibrate(lenetFile, `--dataset ${sixty} --auto ${other}`));
      expect(code).toBe(2);
    },
  );

  it('leaves nothing of a run that is killed', async () => {
    const before = await readdir(folder);
    const words = calibrate(lenetFile, '--dataset synthetic-digits:400 --images 400').split(' ');
    const child = spawn(process.execPath, [command, 'detector', ...words.filter(Boolean)]);
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
    // The first stage that ends is said on standard error: the run is in its second one.
    await new Promise((resolve) => child.stderr.once('data', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe('SIGTERM');
    expect(await readdir(folder)).toEqual(before);
  }, 180_000);

  it('counts a control that never succeeds instead of failing over it', async () => {
    const { code, said } = await run(
      `evaluate ${lenetFile} --detector ${detector} --images 40 --dataset ${sixty} --attack gaussian-noise --attack fgsm --epsilon 0.000001`,
    );
    expect(said).toMatch(/gaussian-noise +0\/\d+/);
    expect(said).toMatch(/worst attack: fgsm/);
    expect(code).toBe(0);
  }, 180_000);
});
