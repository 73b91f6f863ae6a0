import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { mlpToOnnx } from '../../../gpu-worker/onnx/mlp-graph.ts';
import { type Layer, type Mlp, mlpScore, vectorLength } from '../../../shared/detector/mlp.ts';
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
    const shape = [vectors.length / vectorLength(mlp), vectorLength(mlp)];
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

  /** A perceptron of `own` entries and a head over most of the relative changes of `units` units. */
  function withHead(own: number, units: number): Mlp {
    const entries = Array.from({ length: 2 * units }, (_, entry) => entry).filter((entry) => entry % 7 !== 3);
    const head = {
      unitMeans: draw(units).map(Math.abs),
      entries,
      mean: [...draw(entries.length)],
      deviation: [...draw(entries.length)].map((value) => Math.abs(value) + 0.1),
      clip: 8,
      layer: { inputs: entries.length, outputs: 1, weights: draw(entries.length), biases: draw(1) },
    };
    return { ...randomMlp([own + 1, 34, 13, 2]), head };
  }

  it.each([
    ['W0+N on a ResNet-8', 18, 298, 50],
    ['no entry but the head', 0, 5, 20],
    ['one row', 3, 2, 1],
  ])('scores a head as mlpScore does: %s', async (_name, own, units, rows) => {
    const mlp = withHead(own, units);
    const length = vectorLength(mlp);
    const sized = (row: number, index: number) => row * length + own + index;
    const vectors = draw(rows * length);
    for (let row = 0; row < rows; row++) {
      for (let unit = 0; unit < units; unit++) {
        // Changes and sizes are means of absolute values; some units are silent, some do not change.
        vectors[sized(row, unit)] = unit % 5 === 0 ? 0 : Math.abs(vectors[sized(row, unit)]);
        const size = sized(row, 2 * units + unit);
        vectors[size] = unit % 3 === 0 ? 0 : Math.abs(vectors[size]);
      }
    }
    const found = await scores(mlp, vectors);
    for (let row = 0; row < rows; row++) {
      const expected = mlpScore(mlp, vectors.subarray(row * length, (row + 1) * length));
      expect(Math.abs(found[row] - expected)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected)));
    }
  });

  it('passes a NaN of a unit on', async () => {
    const mlp = withHead(2, 3);
    const vector = new Float32Array(vectorLength(mlp)).fill(1);
    vector[2] = Number.NaN;
    expect((await scores(mlp, vector))[0]).toBeNaN();
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
