import { describe, expect, it } from 'vitest';
import { adam } from '../../../gpu-worker/training/adam.ts';

describe('AdamW', () => {
  it('moves every weight by the learning rate at its first step, whatever the size of its slope', () => {
    const weights = Float32Array.of(1, 1, 1);
    adam([weights]).step([Float32Array.of(1e-3, -50, 0)], { learningRate: 0.1, weightDecay: 0 });
    // Both moments are corrected to the slope itself and its square.
    expect([...weights].map((value) => Number(value.toFixed(4)))).toEqual([0.9, 1.1, 1]);
  });

  it('takes the decay off the weight and not through the slope', () => {
    const weights = Float32Array.of(2, -4);
    adam([weights]).step([new Float32Array(2)], { learningRate: 0.1, weightDecay: 0.5 });
    expect([...weights].map((value) => Number(value.toFixed(4)))).toEqual([1.9, -3.8]);
  });

  it('takes two steps as the algorithm says', () => {
    const weights = Float32Array.of(0);
    const optimiser = adam([weights]);
    optimiser.step([Float32Array.of(1)], { learningRate: 0.1, weightDecay: 0 });
    optimiser.step([Float32Array.of(-2)], { learningRate: 0.1, weightDecay: 0 });
    // By hand: m = (.9 x .1 - .2) / .19, v = (.999 x .001 + .004) / .001999, step = -.1 m / sqrt(v).
    expect(weights[0]).toBeCloseTo(-0.1 + 0.1 * (0.11 / 0.19 / Math.sqrt(0.004999 / 0.001999)), 5);
  });

  it('refuses gradients of another shape', () => {
    expect(() =>
      adam([new Float32Array(2)]).step([new Float32Array(3)], { learningRate: 1, weightDecay: 0 }),
    ).toThrow(/gradient has 3/);
  });
});
