// Ashman's D: by hand, and on Gaussians whose distance is known.
import { describe, expect, it } from 'vitest';
import {
  clusterSeparation,
  positionsBetween,
  separationMax,
} from '../../../shared/clustering/cluster-separation.ts';
import { kMeans } from '../../../shared/clustering/k-means.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

function separationOf(points: Float32Array): number {
  const { clusters, centroids } = kMeans({ points, dimensions: 1, k: 2, seed: 1 });
  return clusterSeparation(positionsBetween(points, centroids), clusters);
}

describe('clusterSeparation', () => {
  it('is sqrt(2) times the distance over the root of the summed variances', () => {
    // By hand: means 1 and 11, deviations 1 and 2, D = sqrt(2) * 10 / sqrt(1 + 4).
    const points = Float32Array.of(0, 2, 9, 13);
    const positions = positionsBetween(points, Float64Array.of(1, 11));
    expect(clusterSeparation(positions, Uint8Array.of(0, 0, 1, 1))).toBeCloseTo(
      (Math.SQRT2 * 10) / Math.sqrt(5),
      6,
    );
    expect([...positions].map((place) => Math.round(place * 10) / 10)).toEqual([-0.1, 0.1, 0.8, 1.2]);
  });

  it('finds the distance of two Gaussians in ten dimensions', () => {
    // 8 deviations apart: D = sqrt(2) * 8 / sqrt(2) = 8; of 4,000 points it is known to 2 %.
    const random = seededRandom(6);
    const points = Float32Array.from({ length: 4000 * 10 }, (_, index) => {
      const far = index % 10 === 3 && Math.floor(index / 10) % 4 === 0;
      return normal(random) + (far ? 8 : 0);
    });
    const partition = kMeans({ points, dimensions: 10, k: 2, seed: 1 });
    expect([...partition.sizes].sort((left, right) => left - right)).toEqual([1000, 3000]);
    const separation = clusterSeparation(positionsBetween(points, partition.centroids), partition.clusters);
    expect(separation).toBeGreaterThan(7.8);
    expect(separation).toBeLessThan(8.2);
  });

  it('finds one Gaussian cut in two to be at 2.65', () => {
    // The halves of a normal lie sqrt(2 / pi) from its middle and have the variance 1 - 2 / pi.
    const expected = (Math.SQRT2 * 2 * Math.sqrt(2 / Math.PI)) / Math.sqrt(2 * (1 - 2 / Math.PI));
    const random = seededRandom(8);
    const points = Float32Array.from({ length: 5000 }, () => normal(random));
    expect(Math.abs(separationOf(points) - expected)).toBeLessThan(0.1);
  });

  it('is 0 where all points are identical, and bounded where two places hold all', () => {
    expect(separationOf(new Float32Array(4).fill(2))).toBe(0);
    expect(positionsBetween(Float32Array.of(2, 3), Float64Array.of(2, 2))).toEqual(new Float32Array(2));
    expect(separationOf(Float32Array.of(1, 1, 2, 2))).toBe(separationMax);
  });
});
