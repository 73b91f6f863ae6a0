import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, LoadedModel } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import type { GradientHead } from '../../../gpu-worker/onnx/gradient-head.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { elementCount, float32Tensor, type Tensor } from '../../../shared/maths/tensor.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

const models = `${sharedFolder}models/`;

function referenceFloats(name: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(`${models}reference/${name}.bin`)).buffer);
}

async function withModel<T>(bytes: Uint8Array, use: (model: LoadedModel) => Promise<T>): Promise<T> {
  const model = await engine.load(bytes);
  try {
    return await use(model);
  } finally {
    await model.release();
  }
}

/** Largest difference over the largest expected value. */
function relativeError(found: Tensor, expected: ArrayLike<number>): number {
  expect(found.data.length).toBe(expected.length);
  let largest = 0;
  let difference = 0;
  for (let index = 0; index < expected.length; index++) {
    largest = Math.max(largest, Math.abs(expected[index]));
    difference = Math.max(difference, Math.abs(Number(found.data[index]) - expected[index]));
  }
  return difference / largest;
}

function oneHot(labels: ArrayLike<number>, classes: number): Tensor {
  const target = new Float32Array(labels.length * classes);
  for (let row = 0; row < labels.length; row++) target[row * classes + labels[row]] = 1;
  return float32Tensor(target, [labels.length, classes]);
}

describe.skipIf(!sharedFolder)('gradientModel (skipped where ../shared/models is missing)', () => {
  const nets = ['lenet', 'resnet20', 'vggs'];
  const files = nets.flatMap((net) => ['', '_b1', '_bn'].map((kind) => [net, `${net}${kind}`]));
  const inputShape = (net: string) => (net === 'lenet' ? [1, 28, 28] : [3, 32, 32]);

  it.each(files)(
    "gives PyTorch's gradient of the cross-entropy and its logits: %s, %s",
    async (net, file) => {
      const bytes = await gradientModel(readFileSync(`${models}reference/${file}.onnx`), {
        engine,
        head: 'cross-entropy',
      });
      const x = float32Tensor(referenceFloats(`${net}.x`), [8, ...inputShape(net)]);
      const target = oneHot(referenceFloats(`${net}.y`), 10);
      const answer = await withModel(bytes, (model) => model.run({ x, target }));
      expect(answer.gradient.shape).toEqual(x.shape);
      expect(answer.loss.shape).toEqual([8]);
      expect(relativeError(answer.logits, referenceFloats(`${net}.logits`))).toBeLessThan(1e-5);
      expect(relativeError(answer.gradient, referenceFloats(`${net}.g`))).toBeLessThan(1e-5);
      // The loss by its definition, from PyTorch's logits.
      const logits = referenceFloats(`${net}.logits`);
      const losses = Array.from({ length: 8 }, (_, row) => {
        const values = logits.subarray(row * 10, row * 10 + 10);
        const total = values.reduce((sum, value) => sum + Math.exp(value), 0);
        return Math.log(total) - values[referenceFloats(`${net}.y`)[row]];
      });
      expect(relativeError(answer.loss, losses)).toBeLessThan(1e-5);
    },
  );

  it.each(files)("gives PyTorch's Jacobian from one-hot seeds: %s, %s", async (net, file) => {
    const bytes = await gradientModel(readFileSync(`${models}reference/${file}.onnx`), {
      engine,
      head: 'seed',
    });
    const size = elementCount(inputShape(net));
    const samples = referenceFloats(`${net}.x`);
    // Each sample ten times, with a seed for each class.
    const rows = new Float32Array(80 * size);
    for (let row = 0; row < 80; row++) {
      const sample = Math.floor(row / 10);
      rows.set(samples.subarray(sample * size, (sample + 1) * size), row * size);
    }
    const x = float32Tensor(rows, [80, ...inputShape(net)]);
    const seed = oneHot(
      Array.from({ length: 80 }, (_, row) => row % 10),
      10,
    );
    const answer = await withModel(bytes, (model) => model.run({ x, seed }));
    expect(Object.keys(answer).sort()).toEqual(['gradient', 'logits']);
    expect(relativeError(answer.gradient, referenceFloats(`${net}.J`))).toBeLessThan(1e-5);
  });

  it.each([
    ['mnist-lenet5.onnx', undefined],
    ['mnist-lenet5-pgd.onnx', undefined],
    ['cifar10-resnet8.onnx', undefined],
    ['poisoned/gtsrb_clean.onnx', undefined],
    ['poisoned/cifar10_badnets_t0_5.onnx', undefined],
    ['speech/audionet.onnx', undefined],
    ['speech/audionet6.onnx', undefined],
    ['speech/xplda.onnx', 'plda'],
  ])('gives the slope of the loss that finite differences show: %s', async (file, output) => {
    for (const head of ['cross-entropy', 'margin'] as const) {
      const { slope, difference, scale } = await alongGradient(readFileSync(`${models}${file}`), {
        head,
        output,
      });
      // A difference over a step of float32 inputs is good for about three digits.
      expect(Math.abs(slope - difference) / scale, head).toBeLessThan(1e-2);
    }
  });

  it('leaves the loss out where it is not wanted, and gives the same gradient', async () => {
    const bytes = readFileSync(`${models}mnist-lenet5.onnx`);
    const feeds = {
      x: float32Tensor(new Float32Array(784).fill(0.5), [1, 1, 28, 28]),
      target: oneHot([3], 10),
    };
    const [whole, lean] = await Promise.all(
      [true, false].map(async (loss) =>
        withModel(await gradientModel(bytes, { engine, head: 'cross-entropy', loss }), (model) =>
          model.run(feeds),
        ),
      ),
    );
    expect(Object.keys(lean).toSorted()).toEqual(['gradient', 'logits']);
    expect(lean.gradient).toEqual(whole.gradient);
    expect(lean.logits).toEqual(whole.logits);
  });

  it('gives a margin its floor, and no gradient there', async () => {
    const bytes = await gradientModel(readFileSync(`${models}mnist-lenet5.onnx`), { engine, head: 'margin' });
    const x = float32Tensor(new Float32Array(784).fill(0.5), [1, 1, 28, 28]);
    const answers = await withModel(bytes, async (model) => {
      const { logits } = await model.run({ x, target: oneHot([0], 10), kappa: scalar(0) });
      const values = [...(logits.data as Float32Array)];
      const best = values.indexOf(Math.max(...values));
      const worst = values.indexOf(Math.min(...values));
      return {
        won: await model.run({ x, target: oneHot([best], 10), kappa: scalar(0) }),
        lost: await model.run({ x, target: oneHot([worst], 10), kappa: scalar(0.001) }),
        gap: values[best] - values.toSorted((left, right) => right - left)[1],
      };
    });
    expect(answers.won.loss.data[0]).toBeCloseTo(answers.gap, 5);
    expect((answers.won.gradient.data as Float32Array).some((value) => value !== 0)).toBe(true);
    expect(answers.lost.loss.data[0]).toBeCloseTo(-0.001, 6);
    expect((answers.lost.gradient.data as Float32Array).every((value) => value === 0)).toBe(true);
  });
});

const scalar = (value: number): Tensor => float32Tensor(Float32Array.of(value), []);

/** The slope along the gradient as the gradient says it and as central differences of the loss show it. */
async function alongGradient(
  bytes: Uint8Array,
  { head, output }: { head: Exclude<GradientHead, 'seed'>; output: string | undefined },
): Promise<{ slope: number; difference: number; scale: number }> {
  const rewritten = await gradientModel(bytes, { engine, head, ...(output !== undefined && { output }) });
  return withModel(rewritten, async (model) => {
    const spec = model.inputs.find(({ name }) => name === 'x')!;
    const classes = model.inputs.find(({ name }) => name === 'target')!.shape[1];
    const inputShape = spec.shape.slice(1);
    const size = elementCount(inputShape);
    const random = seededRandom(11);
    // Speech has no level of its own; images lie in [0, 1].
    const x = Float32Array.from({ length: size }, () =>
      inputShape.length === 1 ? 0.06 * normal(random) : 0.2 + 0.6 * random(),
    );
    const extra = head === 'margin' ? { kappa: scalar(1e6) } : {};
    const feeds = (values: Float32Array) => ({
      x: float32Tensor(values, [1, ...inputShape]),
      target: oneHot([1], classes),
      ...extra,
    });
    const gradient = (await model.run(feeds(x))).gradient.data as Float32Array;
    const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
    const step = inputShape.length === 1 ? 1e-4 : 1e-3;
    const loss = async (sign: number) => {
      const moved = x.map((value, index) => value + (sign * step * gradient[index]) / norm);
      return Number((await model.run(feeds(moved))).loss.data[0]);
    };
    const difference = ((await loss(1)) - (await loss(-1))) / (2 * step);
    return { slope: norm, difference, scale: norm };
  });
}
