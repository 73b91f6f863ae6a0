import { describe, expect, it } from 'vitest';
import { randomNoise } from '../../../gpu-worker/attacks/random-noise.ts';
import { square } from '../../../gpu-worker/attacks/square.ts';
import { linearTarget } from './linear-target.ts';

// An image of 2 channels, 6 x 6, whose logit is the sum of all elements less 24: with 0.5 everywhere it is 12, and
// the corner of the ball that a white-box attack would take lowers it by 72 epsilon, so epsilon must exceed 1/6.
const size = 72;
const weights = [Array.from({ length: size }, () => 1), Array.from({ length: size }, () => 1 / 3)];
const target = linearTarget({ weights: [weights[0], weights[1]], inputShape: [2, 6, 6], range: [0, 1] });
const inputs = new Float32Array(2 * size).fill(0.1);
for (let index = 0; index < size; index++) inputs[index] = 0.5;

/** The same model with its boundary at a mean of 1/3: class 1 is a constant, made of an element that is always 1. */
const shifted = {
  ...target,
  async logits(tried: Float32Array) {
    const logits = await target.logits(tried);
    return logits.map((value, index) => (index % 2 === 0 ? value : size / 3));
  },
};

describe('Square attack', () => {
  it('breaks what a white-box attack could just break, by scores alone', async () => {
    const options = { epsilon: 0.2, queries: 400, seed: 7 };
    const { success, epsilon } = await square(
      shifted,
      { inputs: inputs.slice(0, size), labels: [0] },
      options,
    );
    expect([...success]).toEqual([1]);
    expect(epsilon[0]).toBeCloseTo(0.2, 5);
  });

  it('has no success where none is possible, and stays within the ball', async () => {
    const one = { inputs: inputs.slice(0, size), labels: [0] };
    const { success, inputs: tried } = await square(shifted, one, { epsilon: 0.16, queries: 300, seed: 7 });
    expect([...success]).toEqual([0]);
    for (const value of tried) expect(Math.abs(value - 0.5)).toBeLessThanOrEqual(0.16 + 1e-6);
  });

  it('ends without a success where epsilon is 0', async () => {
    const one = { inputs: inputs.slice(0, size), labels: [0] };
    const { success, inputs: tried } = await square(shifted, one, { epsilon: 0, queries: 20, seed: 7 });
    expect([...success]).toEqual([0]);
    expect([...tried]).toEqual([...one.inputs]);
  });

  it('takes inputs that are no images', async () => {
    const line = linearTarget({
      weights: [
        [1, 1, 1],
        [0, 0, 0],
      ],
      inputShape: [3],
      range: [-1, 1],
    });
    const one = { inputs: Float32Array.of(0.1, 0.1, 0.1), labels: [0] };
    expect([...(await square(line, one, { epsilon: 0.2, queries: 200, seed: 1 })).success]).toEqual([1]);
  });
});

describe('random noise', () => {
  it.each(['gaussian', 'uniform'] as const)('keeps %s noise within epsilon and the range', async (kind) => {
    const { inputs: tried } = await randomNoise(
      target,
      { inputs, labels: [0, 0] },
      { kind, epsilon: 0.3, seed: 3 },
    );
    const changes = tried.map((value, index) => value - inputs[index]);
    expect(Math.max(...changes)).toBeLessThanOrEqual(0.3 + 1e-6);
    expect(Math.min(...tried)).toBeGreaterThanOrEqual(0);
    // Neither kind is a constant or one-sided.
    expect(Math.max(...changes.subarray(0, size))).toBeGreaterThan(0.15);
    expect(Math.min(...changes.subarray(0, size))).toBeLessThan(-0.15);
  });

  it('is no success where the label stays', async () => {
    const { success } = await randomNoise(
      shifted,
      { inputs: inputs.slice(0, size), labels: [0] },
      { kind: 'uniform', epsilon: 0.2, seed: 3 },
    );
    expect([...success]).toEqual([0]);
  });
});
