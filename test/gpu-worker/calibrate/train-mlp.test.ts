import { describe, expect, it } from 'vitest';
import { trainMlp } from '../../../gpu-worker/calibrate/train-mlp.ts';
import { mlpScore, parameterCount } from '../../../shared/detector/mlp.ts';
import { auroc } from '../../../shared/maths/auroc.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

/** Two classes that no line parts: adversarial where the product of two normal numbers is positive. */
function quadrants(count: number, seed: number) {
  const random = seededRandom(seed);
  const vectors = Float64Array.from({ length: 2 * count }, () => 5 + 2 * normal(random));
  const adversarial = Uint8Array.from({ length: count }, (_, row) =>
    (vectors[2 * row] - 5) * (vectors[2 * row + 1] - 5) > 0 ? 1 : 0,
  );
  return { vectors, length: 2, adversarial };
}

describe('training the detector', () => {
  const training = quadrants(1500, 1);

  it('learns what no linear rule can tell', () => {
    const mlp = trainMlp(training, { hidden: [32, 42], seed: 1 });
    const { vectors, adversarial } = quadrants(500, 2);
    const scores = Array.from(adversarial.keys(), (row) =>
      mlpScore(mlp, vectors.subarray(2 * row, 2 * row + 2)),
    );
    const of = (label: number) => scores.filter((_, row) => adversarial[row] === label);
    expect(auroc(of(1), of(0))).toBeGreaterThan(0.99);
  });

  it('gives the same weights for the same seed', () => {
    const train = (seed: number) => trainMlp(training, { hidden: [4], seed, steps: 50 }).layers[0].weights;
    expect(train(3)).toEqual(train(3));
    expect(train(3)).not.toEqual(train(4));
  });

  it("fills the paper's 1,792 parameters in both designs", () => {
    const layers = (widths: number[]) =>
      widths.slice(1).map((outputs, index) => ({ inputs: widths[index], outputs }));
    expect(parameterCount(layers([9, 32, 42, 2]))).toBe(1792);
    expect(parameterCount(layers([19, 34, 30, 2]))).toBe(1792);
  });

  it('leaves an entry that never changes at deviation 1', () => {
    const vectors = Float64Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? 3 : index));
    const adversarial = Uint8Array.from({ length: 20 }, (_, row) => row % 2);
    const mlp = trainMlp({ vectors, length: 2, adversarial }, { hidden: [2], seed: 1, steps: 5 });
    expect(mlp.deviation[0]).toBe(1);
    expect(Number.isFinite(mlpScore(mlp, [3, 1]))).toBe(true);
  });

  it('refuses a training set with one class', () => {
    const oneClass = { vectors: new Float64Array(4), length: 2, adversarial: Uint8Array.of(1, 1) };
    expect(() => trainMlp(oneClass, { hidden: [2], seed: 1 })).toThrow(/clean and adversarial/);
  });
});
