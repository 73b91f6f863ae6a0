// k-means: partitions that are plain to see, repeats, refusals.
import { describe, expect, it } from 'vitest';
import { kMeans } from '../../../shared/clustering/k-means.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

describe('kMeans', () => {
  it('parts two pairs', () => {
    // By hand: centroids 0.5 and 10.5, each point 0.5 from its own.
    const points = Float32Array.of(0, 10, 1, 11);
    const { clusters, centroids, sizes, inertia } = kMeans({ points, dimensions: 1, k: 2, seed: 1 });
    expect(clusters[0]).toBe(clusters[2]);
    expect(clusters[1]).toBe(clusters[3]);
    expect(clusters[0]).not.toBe(clusters[1]);
    expect([...centroids].sort((left, right) => left - right)).toEqual([0.5, 10.5]);
    expect([...sizes]).toEqual([2, 2]);
    expect(inertia).toBeCloseTo(1, 12);
  });

  it('finds five groups whatever the seed', () => {
    const random = seededRandom(9);
    const points = Float32Array.from({ length: 2 * 500 }, (_, index) => {
      const group = Math.floor(index / 2) % 5;
      return (index % 2 === 0 ? group * 20 : (group % 2) * 20) + normal(random);
    });
    for (const seed of [0, 1, -7, 2 ** 31]) {
      const { clusters, sizes } = kMeans({ points, dimensions: 2, k: 5, seed });
      expect([...sizes]).toEqual([100, 100, 100, 100, 100]);
      expect(clusters.every((cluster, row) => cluster === clusters[row % 5])).toBe(true);
    }
  });

  it('repeats itself by its seed, and is no worse with more starts', () => {
    const random = seededRandom(4);
    const points = Float32Array.from({ length: 600 }, () => random());
    const input = { points, dimensions: 3, k: 7, seed: 5 };
    expect(kMeans(input)).toEqual(kMeans(input));
    expect(kMeans(input).inertia).toBeLessThanOrEqual(kMeans({ ...input, restarts: 1 }).inertia);
  });

  it('gives each point to its nearest centroid even where the steps run out', () => {
    const random = seededRandom(4);
    const points = Float32Array.from({ length: 300 }, () => random());
    const { clusters, centroids } = kMeans({
      points,
      dimensions: 1,
      k: 3,
      seed: 1,
      stepsMax: 1,
      restarts: 1,
    });
    for (const [row, cluster] of clusters.entries()) {
      const gaps = Array.from(centroids, (centroid) => Math.abs(points[row] - centroid));
      expect(gaps[cluster]).toBe(Math.min(...gaps));
    }
  });

  it('leaves clusters empty where points are identical', () => {
    const { sizes, inertia, centroids } = kMeans({
      points: new Float32Array(12).fill(3),
      dimensions: 2,
      k: 2,
      seed: 1,
    });
    expect([...sizes]).toEqual([6, 0]);
    expect(inertia).toBe(0);
    expect([...centroids]).toEqual([3, 3, 3, 3]);
  });

  it('puts one point into one cluster', () => {
    const { clusters, inertia } = kMeans({ points: Float32Array.of(1, 2), dimensions: 2, k: 1, seed: 1 });
    expect([...clusters]).toEqual([0]);
    expect(inertia).toBe(0);
  });

  it('refuses fewer points than clusters, none, and points that are not finite', () => {
    const refused = (points: Float32Array) => () => kMeans({ points, dimensions: 2, k: 2, seed: 1 });
    expect(refused(Float32Array.of(1, 2))).toThrow(/1 points cannot be parted into 2/);
    expect(refused(new Float32Array(0))).toThrow(/0 points/);
    expect(refused(Float32Array.of(1, 2, 3, Number.NaN))).toThrow(/point 1 is not finite/);
    expect(refused(Float32Array.of(1, Number.POSITIVE_INFINITY, 3, 4))).toThrow(/point 0 is not finite/);
    expect(refused(Float32Array.of(1, 2, 3))).toThrow(/whole rows/);
  });
});
