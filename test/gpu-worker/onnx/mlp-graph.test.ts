import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { mlpToOnnx } from '../../../gpu-worker/onnx/mlp-graph.ts';
import { type Layer, type Mlp, mlpScore } from '../../../shared/detector/mlp.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';

const random = seededRandom(7);
const draw = (count: number) => Float32Array.from({ length: count }, () => normal(random));

function randomMlp(widths: readonly number[]): Mlp {
  const layers = widths.slice(1).map((outputs, index): Layer => {
    const inputs = widths[index];
    return { inputs, outputs, weights: draw(inputs * outputs), biases: draw(outputs) };
  });
  const mean = [...draw(widths[0])];
  const deviation = [...draw(widths[0])].map((value) => Math.abs(value) + 0.1);
  return { layers, mean, deviation, clip: 8 };
}

describe('mlpToOnnx', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => engine.close());

  async function scores(mlp: Mlp, vectors: Float32Array): Promise<Float32Array> {
    const model = await engine.load(mlpToOnnx(mlp));
    const shape = [vectors.length / mlp.mean.length, mlp.mean.length];
    const { scores } = await model.run({ vectors: float32Tensor(vectors, shape) });
    await model.release();
    expect(scores.shape).toEqual([shape[0]]);
    return scores.data as Float32Array;
  }

  it.each([
    ['9-32-42-2', [9, 32, 42, 2], 100],
    ['19-34-30-2', [19, 34, 30, 2], 100],
    ['one layer', [3, 2], 5],
    ['one row', [9, 32, 42, 2], 1],
    ['no row', [9, 32, 42, 2], 0],
  ])('scores as mlpScore does: %s', async (_name, widths, rows) => {
    const mlp = randomMlp(widths);
    // Ten times the spread of a standardised vector, so that some entries are clipped.
    const vectors = draw(rows * widths[0]).map((value) => value * 10);
    const found = await scores(mlp, vectors);
    for (let row = 0; row < rows; row++) {
      const expected = mlpScore(mlp, vectors.subarray(row * widths[0], (row + 1) * widths[0]));
      expect(Math.abs(found[row] - expected)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected)));
    }
  });

  it('clips an infinite entry and passes a NaN on, as mlpScore does', async () => {
    const mlp = randomMlp([9, 32, 42, 2]);
    const infinite = draw(9);
    infinite[3] = Number.POSITIVE_INFINITY;
    const missing = draw(9);
    missing[5] = Number.NaN;
    const found = await scores(mlp, Float32Array.of(...infinite, ...missing));
    const expected = mlpScore(mlp, infinite);
    expect(Math.abs(found[0] - expected)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected)));
    expect(found[1]).toBeNaN();
    expect(mlpScore(mlp, missing)).toBeNaN();
  });
});
