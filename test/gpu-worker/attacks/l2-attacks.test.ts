import { describe, expect, it } from 'vitest';
import { boundary } from '../../../gpu-worker/attacks/boundary.ts';
import { carliniWagner } from '../../../gpu-worker/attacks/carlini-wagner.ts';
import { deepfool } from '../../../gpu-worker/attacks/deepfool.ts';
import { linearTarget } from './linear-target.ts';

// Three classes in the plane with unit normals 120 degrees apart: the boundary of classes i and j is where
// (w_i - w_j) . x = 0, |w_i - w_j| = sqrt(3), so the l2 distance to it is the gap of the logits / sqrt(3), by hand.
const weights = [0, 120, 240].map((degrees) => {
  const angle = (degrees * Math.PI) / 180;
  return [Math.cos(angle), Math.sin(angle)];
});
const target = linearTarget({ weights, inputShape: [2], range: [-2, 2] });
const attacked = { inputs: Float32Array.of(1, 0.2, -0.5, 1.2, 0.3, -1), labels: [0, 1, 2] };
const distances = await (async () => {
  const logits = await target.logits(attacked.inputs);
  return attacked.labels.map((label, row) => {
    const own = [...logits.subarray(row * 3, row * 3 + 3)];
    return (own[label] - Math.max(...own.filter((_, k) => k !== label))) / Math.sqrt(3);
  });
})();

describe('DeepFool', () => {
  it('reaches the nearest boundary of a linear model in one step and oversteps it by the overshoot', async () => {
    const { success, l2 } = await deepfool(target, attacked, { steps: 1, overshoot: 0.02 });
    expect([...success]).toEqual([1, 1, 1]);
    // The floor of 1e-4 on the gap adds 1e-4 / sqrt(3).
    for (const [row, distance] of distances.entries())
      expect(l2[row]).toBeCloseTo(1.02 * (distance + 1e-4 / Math.sqrt(3)), 5);
  });

  it('gives up where no logit moves with the input', async () => {
    const flat = linearTarget({ weights: [[0], [0]], inputShape: [1], range: [0, 1] });
    const { inputs, success } = await deepfool(flat, { inputs: Float32Array.of(0.5), labels: [0] });
    expect([...success, ...inputs]).toEqual([0, 0.5]);
  });

  it('considers no more classes than it is told', async () => {
    // The nearest boundary is that of class 2, which is not among the two largest logits of the clean input.
    const skewed = linearTarget({
      weights: [
        [1, 0],
        [0.9, 0],
        [0.5, 5],
      ],
      inputShape: [2],
      range: [-9, 9],
    });
    const one = { inputs: Float32Array.of(2, 0), labels: [0] };
    expect((await deepfool(skewed, one, { candidates: 2 })).l2[0]).toBeCloseTo(2.04, 2);
    expect((await deepfool(skewed, one)).l2[0]).toBeCloseTo((1.02 * 1) / Math.hypot(0.5, 5), 2);
  });
});

describe('Carlini and Wagner', () => {
  it('comes within 2 percent of the smallest l2 distance of a linear model', async () => {
    const { success, l2 } = await carliniWagner(target, attacked, { searches: 12, steps: 300 });
    expect([...success]).toEqual([1, 1, 1]);
    for (const [row, distance] of distances.entries()) {
      expect(l2[row]).toBeGreaterThan(distance - 1e-5);
      expect(l2[row]).toBeLessThan(1.02 * distance);
    }
  });

  it('goes as deep into the wrong class as its confidence says', async () => {
    const kappa = 0.5;
    const { success, l2 } = await carliniWagner(target, attacked, { searches: 12, steps: 300, kappa });
    expect([...success]).toEqual([1, 1, 1]);
    for (const [row, distance] of distances.entries()) {
      expect(l2[row]).toBeGreaterThan(distance + kappa / Math.sqrt(3) - 1e-5);
      expect(l2[row]).toBeLessThan(1.03 * (distance + kappa / Math.sqrt(3)));
    }
  });
});

describe('boundary attack', () => {
  it('walks to within 10 percent of the smallest l2 distance with labels alone', async () => {
    // One boundary, x_1 = 0 in ten dimensions: the distance is x_1. (In the plane above it could end at the farther one.)
    const half = linearTarget({
      weights: [
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ],
      inputShape: [10],
      range: [-2, 2],
    });
    const one = { inputs: Float32Array.of(0.8, 0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, 0, 1), labels: [0] };
    const labelsAlone = {
      ...half,
      // Only the label is left of the scores.
      async logits(inputs: Float32Array) {
        const scores = await half.logits(inputs);
        return scores.map((score, index) => (index % 2 === 0 ? Math.sign(score) : 0));
      },
      crossEntropy: refused,
      margin: refused,
      vectorJacobian: refused,
    };
    const { success, l2 } = await boundary(labelsAlone, one, { seed: 1 });
    expect([...success]).toEqual([1]);
    expect(l2[0]).toBeGreaterThan(0.8 - 1e-5);
    expect(l2[0]).toBeLessThan(0.88);
  });

  it('has no success where it finds no start', async () => {
    const constant = linearTarget({ weights: [[0], [0]], inputShape: [1], range: [0, 1] });
    const one = { inputs: Float32Array.of(0.5), labels: [0] };
    const { inputs, success } = await boundary(constant, one, { starts: 3, seed: 1 });
    expect([...success, ...inputs]).toEqual([0, 0.5]);
  });
});

async function refused(): Promise<never> {
  throw new Error('a decision-based attack asks for a gradient');
}
