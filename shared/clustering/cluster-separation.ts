// Ashman's D of two clusters along the line of their centroids, and where each point lies on that line.
import { assertShape } from '../assert.ts';

/** Largest separation that is reported: two clusters without any spread are apart by no finite number of spreads. */
export const separationMax = 1e6;

/**
 * Where points lie on the line through two centroids.
 * @param points row-major [count, dimensions], finite
 * @param centroids row-major [2, dimensions]
 * @returns [count], 0 at the centroid of cluster 0 and 1 at that of cluster 1; 0 for all where the centroids coincide
 */
export function positionsBetween(points: Float32Array, centroids: Float64Array): Float32Array {
  const dimensions = centroids.length / 2;
  const count = points.length / dimensions;
  assertShape(points, [Math.floor(count), dimensions], 'points');
  const positions = new Float32Array(count);
  const line = Float64Array.from({ length: dimensions }, (_, index) => {
    return centroids[dimensions + index] - centroids[index];
  });
  const squaredLength = line.reduce((sum, value) => sum + value * value, 0);
  if (squaredLength === 0) return positions;
  for (let row = 0; row < count; row++) {
    let place = 0;
    for (let index = 0; index < dimensions; index++) {
      place += (points[row * dimensions + index] - centroids[index]) * line[index];
    }
    positions[row] = place / squaredLength;
  }
  return positions;
}

/**
 * Measures how far two clusters are apart: D = sqrt(2) |m1 - m0| / sqrt(s0^2 + s1^2), the means and standard deviations
 * being those of the points' places on the line of their centroids.
 * @param positions [count], of {@link positionsBetween}
 * @param clusters [count], 0 or 1
 * @returns 0 to {@link separationMax}; above 2 two Gaussians are clearly apart; 0 where a cluster is empty or the centroids coincide
 * @see Ashman, Bird and Zepf (1994), equation 14
 */
export function clusterSeparation(positions: Float32Array, clusters: Uint8Array): number {
  assertShape(positions, [clusters.length], 'positions');
  const sizes = [0, 0];
  const sums = [0, 0];
  const squares = [0, 0];
  for (let row = 0; row < clusters.length; row++) {
    const cluster = clusters[row];
    sizes[cluster]++;
    sums[cluster] += positions[row];
    // In lengths of the line the means lie at 0 and 1 but for rounding.
    squares[cluster] += (positions[row] - cluster) ** 2;
  }
  if (sizes[0] === 0 || sizes[1] === 0) return 0;
  const [low, high] = [sums[0] / sizes[0], sums[1] / sizes[1]];
  if (low === high) return 0;
  const variances = squares[0] / sizes[0] - low ** 2 + squares[1] / sizes[1] - (high - 1) ** 2;
  const separation = (Math.SQRT2 * Math.abs(high - low)) / Math.sqrt(Math.max(variances, 0));
  return Math.min(separation, separationMax);
}
