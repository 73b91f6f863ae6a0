import { describe, expect, it } from 'vitest';
import { headProbabilities, trainLinearHead } from '../../../gpu-worker/baselines/linear-head.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

/** Three clouds around (4, 0), (0, 4) and (-4, -4), with an entry that never moves. */
function clouds(rows: number, seed: number) {
  const random = seededRandom(seed);
  const centres = [
    [4, 0],
    [0, 4],
    [-4, -4],
  ];
  const labels = Int32Array.from({ length: rows }, (_, row) => row % 3);
  const activations = Float32Array.from({ length: rows * 3 }, (_, index) => {
    const [row, entry] = [Math.floor(index / 3), index % 3];
    return entry === 2 ? 7 : centres[labels[row]][entry] + normal(random);
  });
  return { activations, width: 3, labels, classes: 3 };
}

describe('a linear head', () => {
  const training = { seed: 2, epochs: 30, learningRate: 0.02 };
  const head = trainLinearHead(clouds(300, 1), training);

  it('labels clouds that lie apart', () => {
    const { activations, labels } = clouds(300, 5);
    const right = labels.filter((label, row) => {
      const probabilities = headProbabilities(head, activations.subarray(3 * row, 3 * row + 3));
      return probabilities.indexOf(Math.max(...probabilities)) === label;
    });
    // The nearest centres lie 5.7 deviations apart: under 0.3 % on the wrong side.
    expect(right.length).toBeGreaterThan(290);
  });

  it('gives probabilities, and ignores an entry that never moved in training', () => {
    const seven = headProbabilities(head, Float32Array.of(1, 1, 7));
    expect(seven.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 12);
    expect(headProbabilities(head, Float32Array.of(1, 1, 1e6))).toEqual(seven);
  });

  it('learns the shares of the classes where activations say nothing', () => {
    const samples = {
      activations: new Float32Array(40),
      width: 1,
      labels: Uint8Array.from({ length: 40 }, (_, row) => (row < 10 ? 0 : 1)),
      classes: 2,
    };
    const blind = trainLinearHead(samples, { seed: 1, epochs: 200, learningRate: 0.05, weightDecay: 0 });
    expect(headProbabilities(blind, Float32Array.of(0))[0]).toBeCloseTo(0.25, 2);
  });

  it('repeats for a seed', () => {
    const again = trainLinearHead(clouds(300, 1), training);
    expect(again).toEqual(head);
    expect(trainLinearHead(clouds(300, 1), { ...training, seed: 3 })).not.toEqual(head);
  });

  it('refuses no rows, a wrong shape and a label that is no class', () => {
    const one = { activations: Float32Array.of(1), width: 1, labels: [0], classes: 2 };
    expect(() => trainLinearHead(one, training)).not.toThrow();
    expect(() => trainLinearHead({ ...one, activations: new Float32Array(0), labels: [] }, training)).toThrow(
      /a row to learn from/,
    );
    expect(() => trainLinearHead({ ...one, labels: [2] }, training)).toThrow(/none of 2 classes/);
    expect(() => trainLinearHead({ ...one, width: 2 }, training)).toThrow(/shape/);
    expect(() => headProbabilities(head, Float32Array.of(1))).toThrow(/shape/);
  });
});
