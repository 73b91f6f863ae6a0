import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isDecided, openLabelChangeRate } from '../../../gpu-worker/baselines/label-change-rate.ts';
import { fuzzWeights } from '../../../gpu-worker/baselines/mutated-models.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { floatsOf } from '../../../gpu-worker/onnx/constants.ts';
import { loadModel } from '../../../gpu-worker/onnx/model-file.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { smallModel } from '../onnx/small-model.ts';
import { linearTarget } from './linear-target.ts';

// Logits (x_1 + x_2, 0) by one Gemm: what `linearTarget([1, 1])` says in closed form.
const model = smallModel(
  (graph, input) => {
    const parameters = [graph.floats([2, 2], [1, 0, 1, 0]), graph.floats([2], [0, 0])];
    return graph.op('Gemm', [input, ...parameters]);
  },
  { shape: ['batch', 2] },
);
const target = linearTarget([1, 1], { inputShape: [2], range: [-10, 10] });
const constants = (bytes: Uint8Array) =>
  loadModel(bytes).graph.initializer.map((tensor) => [...floatsOf(tensor)]);

describe('fuzzed weights', () => {
  it('repeat for a seed, and leave biases alone', () => {
    const fuzzed = (seed: number) => constants(fuzzWeights(model, { random: seededRandom(seed) }));
    expect(fuzzed(1)).toEqual(fuzzed(1));
    expect(fuzzed(1)).not.toEqual(fuzzed(2));
    const [weights, biases] = fuzzed(1);
    expect(weights).not.toEqual([1, 0, 1, 0]);
    expect(biases).toEqual([0, 0]);
  });

  it('change by so many deviations of the tensor, as many of them as are asked for', () => {
    const values = Array.from({ length: 40_000 }, (_, index) => (index % 2 === 0 ? 3 : -1));
    const wide = smallModel(
      (graph, input) => graph.op('MatMul', [input, graph.floats([2, 20_000], values)]),
      {
        shape: ['batch', 2],
      },
    );
    const options = { share: 0.25, deviation: 0.1, random: seededRandom(4) };
    const changes = constants(fuzzWeights(wide, options))[0].map((value, index) => value - values[index]);
    const changed = changes.filter((change) => change !== 0);
    // Standard errors: 0.0022 of the share, 0.0014 of the deviation, which is 0.1 times the tensor's 2.
    expect(changed.length / values.length).toBeCloseTo(0.25, 1.9);
    expect(Math.sqrt(changed.reduce((sum, change) => sum + change ** 2, 0) / changed.length)).toBeCloseTo(
      0.2,
      1.9,
    );
  });

  it('are refused where the model has none', () => {
    const plain = smallModel((graph, input) => graph.op('Relu', [input]));
    expect(() => fuzzWeights(plain, { random: seededRandom(1) })).toThrow(/nothing to mutate/);
  });
});

describe("Wald's test", () => {
  it('decides where the odds of its two rates pass those of its error', () => {
    const test = { rate: 0.5, indifference: 0.25, error: 0.11 };
    // By hand: each answer is worth ln 3 = 1.10, and ln(0.89 / 0.11) is 2.09.
    expect(isDecided(test, { changes: 1, asked: 1 })).toBe(false);
    expect(isDecided(test, { changes: 2, asked: 2 })).toBe(true);
    expect(isDecided(test, { changes: 0, asked: 2 })).toBe(true);
    expect(isDecided(test, { changes: 3, asked: 6 })).toBe(false);
  });

  it('stands rates that leave the region from 0 to 1', () => {
    expect(isDecided({ rate: 0.05, indifference: 0.1, error: 0.1 }, { changes: 1, asked: 1 })).toBe(true);
  });
});

describe('the label change rate', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => engine.close());
  const reference = Float32Array.of(1, 2, 2, 1, -1, -2, -2, -1);
  // On the boundary but for a little, and far from it on both sides.
  const inputs = Float32Array.of(5, -4.99, 3, 3, -3, -3);

  it('is high on the boundary and 0 far from it', async () => {
    const options = { engine, reference, mutants: 16, seed: 1 };
    const baseline = await openLabelChangeRate(target, model, options);
    const { scores, passesPerInput } = await baseline.score(inputs);
    // Whether a mutant moves the boundary this way or that is a fair coin: 3 to 13 of 16 but for 1 in 500.
    expect(scores[0]).toBeGreaterThan(0.15);
    expect(scores[0]).toBeLessThan(0.85);
    expect([scores[1], scores[2]]).toEqual([0, 0]);
    expect(passesPerInput).toBe(17);
    expect((await baseline.score(new Float32Array(0))).scores).toHaveLength(0);
    await baseline.close();
  });

  it('asks fewer mutants where the test has decided', async () => {
    const sequential = { rate: 0.5, indifference: 0.25, error: 0.11 };
    const options = { engine, reference, mutants: 16, seed: 1, sequential };
    const baseline = await openLabelChangeRate(target, model, options);
    // No mutant changes the label: two are asked.
    expect((await baseline.score(inputs.subarray(2))).passesPerInput).toBe(3);
    await baseline.close();
  });

  it('scores by all mutants in one run as by one after the other', async () => {
    const options = { engine, reference, mutants: 5, seed: 2 };
    // A test that never decides asks every mutant.
    const never = { rate: 0.5, indifference: 1e-6, error: 1e-9 };
    const [fused, inTurn] = await Promise.all([
      openLabelChangeRate(target, model, options),
      openLabelChangeRate(target, model, { ...options, sequential: never }),
    ]);
    expect(await fused.score(inputs)).toEqual(await inTurn.score(inputs));
    await Promise.all([fused.close(), inTurn.close()]);
  });

  // Near the boundary on both of its ends: only weights within 3 degrees of the model's agree on all four.
  const near = Float32Array.of(1, -0.9, -0.9, 1, -1, 0.9, 0.9, -1);

  it('halves a fuzz that is too strong until enough mutants agree', async () => {
    const options = { engine, reference: near, mutants: 4, seed: 1, deviation: 0.8 };
    const baseline = await openLabelChangeRate(target, model, options);
    expect(Math.log2(0.8 / baseline.deviation) % 1).toBe(0);
    expect(baseline.deviation).toBeLessThan(0.8);
    await baseline.close();
  });

  it('is refused where the fuzz makes another model of it, halved as often as it may be', async () => {
    const options = { engine, reference: near, mutants: 4, seed: 1, deviation: 100_000 };
    await expect(openLabelChangeRate(target, model, options)).rejects.toThrow(
      /only \d of 16 mutants agree.*even fuzzed by/,
    );
  });
});
