import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { readWeights } from '../../../gpu-worker/onnx/weights.ts';
import { buildNetwork, type NetworkOptions } from '../../../gpu-worker/training/architectures.ts';
import { elementCount, float32Tensor } from '../../../shared/maths/tensor.ts';

const grey: NetworkOptions = {
  inputShape: [1, 28, 28],
  classes: 10,
  seed: 3,
  normalisation: { mean: [0.13], deviation: [0.31] },
};
const colour: NetworkOptions = {
  inputShape: [3, 32, 32],
  classes: 43,
  seed: 3,
  normalisation: { mean: [0.4, 0.5, 0.6], deviation: [0.2, 0.25, 0.3] },
};

describe('architectures', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => engine.close());

  it.each([
    ['lenet5', grey, 10],
    ['lenet5', colour, 10],
    ['cnn6', colour, 16],
    ['cnn6', grey, 16],
  ] as const)('writes %s as a file with a free batch and logits', async (name, options, tensors) => {
    const bytes = buildNetwork(name, options);
    const model = await engine.load(bytes);
    expect(model.inputs).toEqual([{ name: 'input', datatype: 'FP32', shape: [-1, ...options.inputShape] }]);
    expect(model.outputs.map((output) => output.name)).toEqual(['logits']);
    const size = elementCount(options.inputShape);
    const x = Float32Array.from({ length: 3 * size }, (_, index) => (index % 97) / 97);
    const { logits } = await model.run({ input: float32Tensor(x, [3, ...options.inputShape]) });
    expect(logits.shape).toEqual([3, options.classes]);
    expect((logits.data as Float32Array).every(Number.isFinite)).toBe(true);
    // Weights and biases of five or eight layers; the constants of the normalisation are not among them.
    expect(readWeights(bytes)).toHaveLength(tensors);
    await model.release();
  });

  it('draws the same weights from the same seed, and others from another', () => {
    expect(buildNetwork('cnn6', colour)).toEqual(buildNetwork('cnn6', colour));
    expect(buildNetwork('cnn6', { ...colour, seed: 4 })).not.toEqual(buildNetwork('cnn6', colour));
  });

  it('draws weights of variance 2 / inputs and biases of 0', () => {
    const weights = readWeights(buildNetwork('cnn6', colour));
    for (const { shape, values } of weights) {
      if (shape.length === 1) expect(Math.max(...values)).toBe(0);
      else {
        const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
        expect((square * elementCount(shape.slice(1))) / 2).toBeCloseTo(1, 0);
      }
    }
  });

  it('refuses what is no image or too small, with both sizes', () => {
    const refused = (inputShape: number[]) => () => buildNetwork('lenet5', { ...grey, inputShape });
    expect(refused([784])).toThrow(/at least 12 x 12, not \[784\]/);
    expect(refused([1, 28, 11])).toThrow(/not \[1, 28, 11\]/);
  });
});
