// Principal components: against covariances that are known.
import { describe, expect, it } from 'vitest';
import { momentsOf, pca, project } from '../../../shared/maths/pca.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

describe('momentsOf', () => {
  it('gives mean and covariance', () => {
    // By hand: (0, 0), (2, 0), (1, 3) have the mean (1, 1), the squares sum to 2 and 6, the products to 0.
    const { count, mean, covariance } = momentsOf(Float32Array.of(0, 0, 2, 0, 1, 3), 2);
    expect(count).toBe(3);
    expect([...mean]).toEqual([1, 1]);
    expect([...covariance]).toEqual([2 / 3, 0, 0, 2]);
  });

  it('refuses no rows, and a part of one', () => {
    expect(() => momentsOf(new Float32Array(0), 2)).toThrow(/at least one/);
    expect(() => momentsOf(new Float32Array(3), 2)).toThrow(/whole rows/);
  });
});

describe('pca', () => {
  it('finds the axes and variances of a diagonal covariance', () => {
    const random = seededRandom(3);
    const deviations = [1, 4, 0.5, 2];
    const vectors = Float32Array.from(
      { length: 4 * 4000 },
      (_, index) => 10 + deviations[index % 4] * normal(random),
    );
    const { axes, variances, mean } = pca(vectors, { dimensions: 4, components: 2 });
    // 4,000 samples: a variance is known to sqrt(2 / 4000) = 2 %, five such are allowed.
    expect(variances[0]).toBeGreaterThan(16 * 0.9);
    expect(variances[0]).toBeLessThan(16 * 1.1);
    expect(variances[1]).toBeGreaterThan(4 * 0.9);
    expect(variances[1]).toBeLessThan(4 * 1.1);
    expect(axes).toHaveLength(8);
    expect(axes[1]).toBeGreaterThan(0.99);
    expect(axes[4 + 3]).toBeGreaterThan(0.99);
    const projected = project(vectors, { mean, axes });
    const moments = momentsOf(projected, 2);
    expect(moments.covariance[0]).toBeCloseTo(variances[0], 3);
    expect(moments.covariance[1]).toBeCloseTo(0, 4);
    expect(moments.mean[0]).toBeCloseTo(0, 4);
  });

  it('has no variance in one row or in identical rows, and no more components than dimensions', () => {
    expect([...pca(Float32Array.of(1, 2), { dimensions: 2, components: 10 }).variances]).toEqual([0, 0]);
    const same = pca(new Float32Array(30).fill(7), { dimensions: 3, components: 2 });
    expect([...same.variances]).toEqual([0, 0]);
    expect([...project(new Float32Array(6).fill(7), same)]).toEqual([0, 0, 0, 0]);
  });
});
