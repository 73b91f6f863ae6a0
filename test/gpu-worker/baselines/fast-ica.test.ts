// FastICA on mixtures whose sources are known.
import { describe, expect, it } from 'vitest';
import { fastIca } from '../../../gpu-worker/baselines/fast-ica.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const count = 2000;

/** Two independent sources, one flat and one of two values, and their mixtures by a matrix that is not orthogonal. */
function mixed() {
  const random = seededRandom(3);
  const sources = [0, 1].map((source) =>
    Float64Array.from({ length: count }, () => (source === 0 ? random() : Math.sign(normal(random)))),
  );
  const vectors = new Float32Array(3 * count);
  for (let row = 0; row < count; row++) {
    const [flat, sign] = [sources[0][row], sources[1][row]];
    // The third coordinate is a combination of the others: the vectors vary in two directions alone.
    vectors.set([2 * flat + sign, flat - 0.5 * sign, 3 * flat + 0.5 * sign], 3 * row);
  }
  return { sources, vectors };
}

function correlation(left: ArrayLike<number>, right: ArrayLike<number>): number {
  const mean = (values: ArrayLike<number>) =>
    Array.from(values).reduce((sum, value) => sum + value, 0) / count;
  const [leftMean, rightMean] = [mean(left), mean(right)];
  let [inner, leftSquares, rightSquares] = [0, 0, 0];
  for (let row = 0; row < count; row++) {
    inner += (left[row] - leftMean) * (right[row] - rightMean);
    leftSquares += (left[row] - leftMean) ** 2;
    rightSquares += (right[row] - rightMean) ** 2;
  }
  return inner / Math.sqrt(leftSquares * rightSquares);
}

describe('fastIca', () => {
  it('finds the sources of a mixture, in any order and sign, where principal components do not', () => {
    const { sources, vectors } = mixed();
    const { points, components, converged } = fastIca(vectors, { dimensions: 3, components: 3, seed: 1 });
    expect(components).toBe(2);
    expect(converged).toBe(true);
    for (const source of sources) {
      const fits = [0, 1].map((component) =>
        Math.abs(
          correlation(
            source,
            points.filter((_, index) => index % 2 === component),
          ),
        ),
      );
      expect(Math.max(...fits)).toBeGreaterThan(0.99);
    }
  });

  it('gives components of mean 0 and variance 1 that are not correlated', () => {
    const { vectors } = mixed();
    const { points } = fastIca(vectors, { dimensions: 3, components: 2, seed: 2 });
    const parts = [0, 1].map((component) => points.filter((_, index) => index % 2 === component));
    for (const part of parts) {
      expect(part.reduce((sum, value) => sum + value, 0) / count).toBeCloseTo(0, 4);
      expect(part.reduce((sum, value) => sum + value ** 2, 0) / count).toBeCloseTo(1, 4);
    }
    expect(correlation(parts[0], parts[1])).toBeCloseTo(0, 4);
  });

  it('gives the same for the same seed', () => {
    const { vectors } = mixed();
    const once = fastIca(vectors, { dimensions: 3, components: 2, seed: 5 });
    expect(fastIca(vectors, { dimensions: 3, components: 2, seed: 5 })).toEqual(once);
  });

  it('gives one flat component where nothing varies', () => {
    const { points, components } = fastIca(new Float32Array(12).fill(7), {
      dimensions: 3,
      components: 2,
      seed: 1,
    });
    expect(components).toBe(1);
    expect([...points]).toEqual([0, 0, 0, 0]);
  });
});
