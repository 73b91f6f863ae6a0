// Pooled whitening: by hand, and by what whitening means.
import { describe, expect, it } from 'vitest';
import { addClass, emptyPool, whiteningOf } from '../../../shared/clustering/pooled-whitening.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

describe('whiteningOf', () => {
  it('is the inverse root of the shrunk covariance around the medians', () => {
    const pool = emptyPool(2);
    // By hand: around the medians (5, 0) and (-3, 1) lie (-2, 0), (0, 0), (2, 0) and (0, -1), (0, 0), (0, 1): the
    // variances are 8/6 and 2/6, shrunk 0.9 * 8/6 + 0.1 * 5/6 = 7.7/6 and 0.9 * 2/6 + 0.1 * 5/6 = 2.3/6.
    addClass(pool, Float32Array.of(3, 0, 5, 0, 7, 0));
    addClass(pool, Float32Array.of(-3, 0, -3, 1, -3, 2));
    const whitening = whiteningOf(pool);
    expect(whitening[0]).toBeCloseTo(Math.sqrt(6 / 7.7), 12);
    expect(whitening[3]).toBeCloseTo(Math.sqrt(6 / 2.3), 12);
    expect(whitening[1]).toBeCloseTo(0, 12);
  });

  it('makes correlated vectors nearly round', () => {
    const random = seededRandom(2);
    const vectors = new Float32Array(2 * 3000);
    for (let row = 0; row < 3000; row++) {
      const common = 3 * normal(random);
      vectors.set([common + normal(random), common + normal(random)], 2 * row);
    }
    const pool = emptyPool(2);
    addClass(pool, vectors);
    const [a, b, , d] = whiteningOf(pool);
    let [first, second, both] = [0, 0, 0];
    for (let row = 0; row < 3000; row++) {
      const left = a * vectors[2 * row] + b * vectors[2 * row + 1];
      const right = b * vectors[2 * row] + d * vectors[2 * row + 1];
      first += left ** 2 / 3000;
      second += right ** 2 / 3000;
      both += (left * right) / 3000;
    }
    // Eigenvalues 19 and 1 are shrunk to 18.1 and 1.9, so that what they were becomes 1.05 and 0.53.
    expect(first).toBeCloseTo((1.05 + 0.53) / 2, 1);
    expect(second).toBeCloseTo(first, 1);
    expect(both).toBeCloseTo((1.05 - 0.53) / 2, 1);
  });

  it('is the identity where nothing varies: no class, classes of one vector, identical vectors', () => {
    const pool = emptyPool(2);
    expect([...whiteningOf(pool)]).toEqual([1, 0, 0, 1]);
    addClass(pool, new Float32Array(0));
    addClass(pool, Float32Array.of(3, 4));
    expect([...whiteningOf(pool)]).toEqual([1, 0, 0, 1]);
    addClass(pool, Float32Array.of(3, 4, 3, 4, 3, 4));
    expect([...whiteningOf(pool)]).toEqual([1, 0, 0, 1]);
  });

  it('stays finite where a neuron never varies', () => {
    const pool = emptyPool(2);
    addClass(pool, Float32Array.of(0, 5, 1, 5, 2, 5));
    // By hand: the variance 2/3 gives a sphere of 0.1 * (2/3) / 2 = 1/30.
    expect(whiteningOf(pool)[3]).toBeCloseTo(Math.sqrt(30), 10);
  });

  it('refuses a part of a vector', () => {
    expect(() => addClass(emptyPool(2), new Float32Array(3))).toThrow(/elements/);
  });
});
