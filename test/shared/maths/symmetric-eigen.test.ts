// Eigenvalues and eigenvectors: by hand, and by the property that defines them.
import { describe, expect, it } from 'vitest';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { symmetricEigen } from '../../../shared/maths/symmetric-eigen.ts';

describe('symmetricEigen', () => {
  it('takes a matrix of two apart', () => {
    // By hand: [[2, 1], [1, 2]] has 3 along (1, 1) and 1 along (1, -1).
    const { values, vectors } = symmetricEigen(Float64Array.of(2, 1, 1, 2), 2);
    expect(values[0]).toBeCloseTo(3, 14);
    expect(values[1]).toBeCloseTo(1, 14);
    expect(vectors[0]).toBeCloseTo(Math.SQRT1_2, 14);
    expect(vectors[1]).toBeCloseTo(Math.SQRT1_2, 14);
    expect(vectors[2]).toBeCloseTo(-vectors[3], 14);
  });

  it('sorts a diagonal matrix', () => {
    const { values, vectors } = symmetricEigen(Float64Array.of(1, 0, 0, 0, 5, 0, 0, 0, -2), 3);
    expect([...values]).toEqual([5, 1, -2]);
    expect([...vectors]).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 1]);
  });

  it.each([1, 2, 3, 17, 64])(
    'gives orthonormal vectors that put a random matrix of %i back together',
    (size) => {
      const random = seededRandom(size);
      const matrix = new Float64Array(size * size);
      for (let row = 0; row < size; row++) {
        for (let column = 0; column <= row; column++) {
          matrix[row * size + column] = normal(random);
          matrix[column * size + row] = matrix[row * size + column];
        }
      }
      const kept = matrix.slice();
      const { values, vectors } = symmetricEigen(matrix, size);
      expect(matrix).toEqual(kept);
      let worst = 0;
      for (let row = 0; row < size; row++) {
        for (let column = 0; column < size; column++) {
          let [rebuilt, inner] = [0, 0];
          for (let axis = 0; axis < size; axis++) {
            rebuilt += values[axis] * vectors[axis * size + row] * vectors[axis * size + column];
            inner += vectors[row * size + axis] * vectors[column * size + axis];
          }
          worst = Math.max(worst, Math.abs(rebuilt - matrix[row * size + column]));
          worst = Math.max(worst, Math.abs(inner - (row === column ? 1 : 0)));
        }
      }
      expect(worst).toBeLessThan(1e-12);
      expect([...values]).toEqual([...values].sort((left, right) => right - left));
    },
  );

  it('takes a matrix of zeros, and one of rank one', () => {
    expect([...symmetricEigen(new Float64Array(9), 3).values]).toEqual([0, 0, 0]);
    // By hand: the outer product of (1, 2, 2) with itself has its squared length 9 as the one value that is not 0.
    const { values, vectors } = symmetricEigen(Float64Array.of(1, 2, 2, 2, 4, 4, 2, 4, 4), 3);
    expect(values[0]).toBeCloseTo(9, 13);
    expect(values[1]).toBeCloseTo(0, 13);
    expect(values[2]).toBeCloseTo(0, 13);
    expect(vectors[0]).toBeCloseTo(1 / 3, 13);
  });

  it('refuses another size, and a matrix that is not finite', () => {
    expect(() => symmetricEigen(new Float64Array(5), 2)).toThrow(/elements/);
    expect(() => symmetricEigen(Float64Array.of(Number.NaN), 1)).toThrow(/finite/);
  });
});
