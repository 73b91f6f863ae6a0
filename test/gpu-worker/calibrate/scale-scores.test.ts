// The scale of scores: what is known of logistic regression, and a perceptron whose scores are moved by it.
import { describe, expect, it } from 'vitest';
import { fitScoreScale, scaleMlp } from '../../../gpu-worker/calibrate/scale-scores.ts';
import { mlpScore } from '../../../shared/detector/mlp.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

describe('fitScoreScale', () => {
  it('finds the odds of two Gaussians, whatever the scores were multiplied with', () => {
    // Of N(-1, 1) and N(1, 1) with equal mass the logarithm of the odds at x is 2x.
    const random = seededRandom(11);
    const adversarial = Array.from({ length: 20_000 }, (_, row) => row % 2);
    const truth = adversarial.map((label) => normal(random) + (label === 1 ? 1 : -1));
    const weights = adversarial.map(() => 1);
    for (const factor of [0.5, 10]) {
      const scores = truth.map((x) => factor * x + 3);
      const { slope, offset } = fitScoreScale({ scores, adversarial, weights });
      expect(slope * factor).toBeGreaterThan(1.9);
      expect(slope * factor).toBeLessThan(2.1);
      expect(Math.abs(slope * 3 + offset)).toBeLessThan(0.1);
    }
  });

  it('leaves scores as they are that do not rise towards adversarial rows', () => {
    const falling = { scores: [2, 1, -1, -2], adversarial: [0, 1, 0, 1], weights: [1, 1, 1, 1] };
    expect(fitScoreScale(falling)).toEqual({ slope: 1, offset: 0 });
  });

  it('stays finite where the classes fall apart', () => {
    const apart = { scores: [-2, -1, 1, 2], adversarial: [0, 0, 1, 1], weights: [1, 1, 1, 1] };
    const { slope, offset } = fitScoreScale(apart);
    expect(slope > 0 && Number.isFinite(slope) && Number.isFinite(offset)).toBe(true);
  });
});

describe('scaleMlp', () => {
  it('gives a perceptron with the scaled scores', () => {
    const random = seededRandom(2);
    const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5);
    const layers = [
      { inputs: 3, outputs: 4, weights: values(12), biases: values(4) },
      { inputs: 4, outputs: 2, weights: values(8), biases: values(2) },
    ];
    const mlp = { layers, mean: [0, 0, 0], deviation: [1, 1, 1], clip: 8 };
    const vector = [0.3, -0.2, 1];
    const scaled = mlpScore(scaleMlp(mlp, { slope: 0.7, offset: -1.5 }), vector);
    expect(scaled).toBeCloseTo(0.7 * mlpScore(mlp, vector) - 1.5, 5);
  });
});
