import { describe, expect, it } from 'vitest';
import { fgsm, smallestFgsm } from '../../../gpu-worker/attacks/fgsm.ts';
import { bim, pgd, smallestPgd } from '../../../gpu-worker/attacks/pgd.ts';
import { linearTarget } from './linear-target.ts';

// A linear model of three inputs and two classes, where everything is known in closed form:
// logits are (w . x, 0) with w = (2, -1, 1), the boundary is w . x = 0, and the smallest change in the
// max norm that crosses it is w . x / |w|_1 = w . x / 4.
const target = linearTarget({
  weights: [
    [2, -1, 1],
    [0, 0, 0],
  ],
  inputShape: [3],
  range: [-10, 10],
});
const attacked = { inputs: Float32Array.of(1, 0, 0, 3, 1, 1, -1, 0, 0), labels: [0, 0, 1] };
const smallest = [0.5, 1.5, 0.5];

describe('FGSM', () => {
  it('moves every element by epsilon along the sign of the gradient', async () => {
    const { inputs, success, epsilon } = await fgsm(target, attacked, 0.75);
    expect([...inputs.subarray(0, 3)]).toEqual([0.25, 0.75, -0.75]);
    expect([...success]).toEqual([1, 0, 1]);
    expect(epsilon[0]).toBeCloseTo(0.75, 6);
    expect(epsilon[1]).toBe(0);
  });

  it('finds the smallest epsilon on its line to the step', async () => {
    const { success, epsilon } = await smallestFgsm(target, attacked, { epsilonMax: 2, steps: 1000 });
    expect([...success]).toEqual([1, 1, 1]);
    for (const [row, expected] of smallest.entries()) {
      expect(epsilon[row]).toBeGreaterThanOrEqual(expected - 1e-5);
      expect(epsilon[row]).toBeLessThan(expected + 0.0041);
    }
  });

  it('says which rows resist the largest epsilon', async () => {
    const { success, epsilon } = await smallestFgsm(target, attacked, { epsilonMax: 1, steps: 50 });
    expect([...success]).toEqual([1, 0, 1]);
    expect(epsilon[1]).toBe(0);
  });
});

describe('PGD', () => {
  it('stays within the ball and the valid range', async () => {
    const narrow = { ...target, range: [-0.2, 1.1] as const };
    const { inputs } = await pgd(
      narrow,
      { inputs: Float32Array.of(1, 0, 0), labels: [0] },
      { epsilon: 0.4, steps: 7 },
    );
    expect(Math.min(...inputs)).toBeGreaterThanOrEqual(Math.fround(-0.2));
    expect(Math.max(...inputs)).toBeLessThanOrEqual(Math.fround(1.1));
    expect(Math.abs(inputs[0] - 1)).toBeLessThanOrEqual(0.4 + 1e-6);
  });

  it('succeeds just above the smallest epsilon and not below it', async () => {
    const at = async (epsilon: number) => [...(await pgd(target, attacked, { epsilon })).success];
    expect(await at(0.49)).toEqual([0, 0, 0]);
    expect(await at(0.51)).toEqual([1, 0, 1]);
    expect(await at(1.51)).toEqual([1, 1, 1]);
  });

  it('finds the smallest epsilon by bisection', async () => {
    const { success, epsilon } = await smallestPgd(target, attacked, { epsilonMax: 4, rounds: 9 });
    expect([...success]).toEqual([1, 1, 1]);
    for (const [row, expected] of smallest.entries()) {
      expect(epsilon[row]).toBeGreaterThanOrEqual(expected - 1e-5);
      expect(epsilon[row]).toBeLessThan(expected + 4 / 2 ** 9 + 1e-5);
    }
  });

  it('starts from the same random point for the same seed', async () => {
    const start = async (seed: number) =>
      (await pgd(target, attacked, { epsilon: 1, steps: 1, stepShare: 0.1, randomStart: seed })).inputs;
    expect(await start(1)).toEqual(await start(1));
    expect(await start(1)).not.toEqual(await start(2));
  });

  it('reports the share of its work, rising to 1', async () => {
    const shares: number[] = [];
    await smallestPgd(target, attacked, { rounds: 3, onProgress: (share) => shares.push(share) });
    expect(shares.length).toBeGreaterThan(3);
    expect(shares).toEqual(shares.toSorted((left, right) => left - right));
    expect(shares.at(-1)).toBe(1);
  });

  it('reaches the same radius along the margin as along the cross-entropy', async () => {
    const { epsilon } = await smallestPgd(target, attacked, { epsilonMax: 4, loss: 'margin' });
    for (const [row, expected] of smallest.entries()) {
      expect(epsilon[row]).toBeGreaterThanOrEqual(expected - 1e-5);
      expect(epsilon[row]).toBeLessThan(expected + 4 / 2 ** 9 + 1e-5);
    }
  });

  it('finds a gradient along the margin where the cross-entropy has none left', async () => {
    // At 200 the probability of the label is 1 in float32, and its gradient 0.
    const sure = { inputs: Float32Array.of(8, -8, 8), labels: [0] };
    const steep = linearTarget({
      weights: [
        [50, 0, 0],
        [0, 0, 0],
      ],
      inputShape: [3],
      range: [-10, 10],
    });
    expect([...(await pgd(steep, sure, { epsilon: 9 })).success]).toEqual([0]);
    expect([...(await pgd(steep, sure, { epsilon: 9, loss: 'margin' })).success]).toEqual([1]);
  });

  it('is the basic iterative method where it starts at the input', async () => {
    const options = { epsilon: 1, steps: 5 };
    expect(await bim(target, attacked, options)).toEqual(await pgd(target, attacked, options));
  });
});
