// Ashman's D of two clusters along the line of their centroids, and where each point lies on that line.
import { assertShape } from '../assert.ts';
import type { Partition } from './k-means.ts';

/** Largest separation that is reported: two clusters without any spread are apart by no finite number of spreads. */
export const separationMax = 1e6;

/** Two clusters seen along the line of their centroids. */
export interface Separation {
  /** Ashman's D: 0 to {@link separationMax}; above 2 two Gaussians are clearly apart. */
  readonly separation: number;
  /** [count], 0 at the centroid of cluster 0 and 1 at that of cluster 1; 0 for all where the centroids coincide. */
  readonly positions: Float32Array;
}

/**
 * Measures how far two clusters are apart: D = sqrt(2) |m1 - m0| / sqrt(s0^2 + s1^2), the means and standard deviations
 * being those of the points' places on the line.
 * @param points row-major [count, dimensions], finite
 * @param partition of two clusters
 * @returns a separation of 0 where a cluster is empty or the centroids coincide
 * @see Ashman, Bird and Zepf (1994), equation 14
 */
export function clusterSeparation(
  points: Float32Array,
  { clusters, centroids, sizes }: Pick<Partition, 'clusters' | 'centroids' | 'sizes'>,
): Separation {
  const dimensions = centroids.length / 2;
  assertShape(points, [clusters.length, dimensions], 'points');
  const positions = new Float32Array(clusters.length);
  const line = Float64Array.from({ length: dimensions }, (_, index) => {
    return centroids[dimensions + index] - centroids[index];
  });
  const squaredLength = line.reduce((sum, value) => sum + value * value, 0);
  if (squaredLength === 0 || sizes[0] === 0 || sizes[1] === 0) return { separation: 0, positions };
  // Positions are in lengths of the line, so that the means differ by 1 but for rounding.
  const sums = [0, 0];
  const squares = [0, 0];
  for (let row = 0; row < clusters.length; row++) {
    let place = 0;
    for (let index = 0; index < dimensions; index++) {
      place += (points[row * dimensions + index] - centroids[index]) * line[index];
    }
    place /= squaredLength;
    positions[row] = place;
    const cluster = clusters[row];
    sums[cluster] += place;
    squares[cluster] += (place - cluster) ** 2;
  }
  const [low, high] = [sums[0] / sizes[0], sums[1] / sizes[1]];
  const variances = squares[0] / sizes[0] - low ** 2 + squares[1] / sizes[1] - (high - 1) ** 2;
  const separation = (Math.SQRT2 * Math.abs(high - low)) / Math.sqrt(Math.max(variances, 0));
  return { separation: Math.min(separation, separationMax), positions };
}
