// Silhouette coefficients of a partition: exact where it is small, of a seeded sample where it is large.
import { assertShape } from '../assert.ts';
import { permutation, type Random, seededRandom } from '../maths/random.ts';

/** Points up to which every pair is compared, half a million distances; and how many a sample holds at most. */
export const exactPointsMax = 1_024;

/** A partition to judge. */
export interface SilhouetteInput {
  /** Row-major [count, dimensions], finite. */
  readonly points: Float32Array;
  readonly dimensions: number;
  /** [count], each 0 to k - 1. */
  readonly clusters: Uint8Array;
  readonly k: number;
  /** Draws the sample; an exact answer does not depend on it. */
  readonly seed: number;
  readonly pointsMax?: number;
}

/** Silhouette coefficients. */
export interface Silhouette {
  /** Mean over all points, -1 to 1; 0 where fewer than two clusters have points. */
  readonly mean: number;
  /** Whether every pair was compared. */
  readonly exact: boolean;
  /** Which points were judged, in ascending order within their cluster. */
  readonly rows: Uint32Array;
  /** Coefficient of each of `rows`, -1 to 1. */
  readonly values: Float32Array;
}

/**
 * Judges a partition by s = (b - a) / max(a, b): a is the mean distance of a point from the others of its cluster, b that from
 * the nearest other cluster; a point alone in its cluster has s = 0.
 *
 * Above `pointsMax` points it is an approximation: of each cluster at most pointsMax / k points are drawn without replacement,
 * both mean distances run over the drawn points alone, and the mean weights each cluster's coefficients with its full size. Time
 * and memory are then bounded; the mean is off by about the spread of s over the square root of the drawn points, 0.01 to 0.03.
 *
 * @see Rousseeuw (1987), section 2
 */
export function silhouette({
  points,
  dimensions,
  clusters,
  k,
  seed,
  pointsMax = exactPointsMax,
}: SilhouetteInput): Silhouette {
  assertShape(points, [clusters.length, dimensions], 'points');
  const exact = clusters.length <= pointsMax;
  const members = membersOf(clusters, k);
  const random = seededRandom(seed);
  const perCluster = Math.max(2, Math.floor(pointsMax / k));
  const judged = exact ? members : members.map((rows) => drawnOf(rows, perCluster, random));
  const rows = Uint32Array.from(judged.flatMap((drawn) => [...drawn]));
  const sizes = judged.map(({ length }) => length);
  const sums = distanceSums({ points, dimensions, clusters, rows, k });
  const values = new Float32Array(rows.length);
  let mean = 0;
  for (let place = 0; place < rows.length; place++) {
    const own = clusters[rows[place]];
    const value = coefficient(sums.subarray(place * k, (place + 1) * k), sizes, own);
    values[place] = value;
    mean += (value / sizes[own]) * (members[own].length / clusters.length);
  }
  // Rounding may carry the weighted mean past the bounds that each coefficient keeps.
  return { mean: Math.min(1, Math.max(-1, mean)), exact, rows, values };
}

function membersOf(clusters: Uint8Array, k: number): Uint32Array[] {
  const sizes = new Uint32Array(k);
  for (const cluster of clusters) sizes[cluster]++;
  const members = Array.from(sizes, (size) => new Uint32Array(size));
  sizes.fill(0);
  for (let row = 0; row < clusters.length; row++) members[clusters[row]][sizes[clusters[row]]++] = row;
  return members;
}

function drawnOf(rows: Uint32Array, count: number, random: Random): Uint32Array {
  if (rows.length <= count) return rows;
  const order = permutation(rows.length, random).subarray(0, count);
  return order.map((place) => rows[place]).sort();
}

/** Sums of distances from each judged point to the judged points of each cluster, row-major [rows, k]. */
function distanceSums({
  points,
  dimensions,
  clusters,
  rows,
  k,
}: Pick<SilhouetteInput, 'points' | 'dimensions' | 'clusters' | 'k'> & { rows: Uint32Array }): Float64Array {
  const sums = new Float64Array(rows.length * k);
  for (let place = 0; place < rows.length; place++) {
    const start = rows[place] * dimensions;
    const own = clusters[rows[place]];
    for (let other = 0; other < place; other++) {
      const otherStart = rows[other] * dimensions;
      let square = 0;
      for (let index = 0; index < dimensions; index++) {
        const gap = points[start + index] - points[otherStart + index];
        square += gap * gap;
      }
      const distance = Math.sqrt(square);
      sums[place * k + clusters[rows[other]]] += distance;
      sums[other * k + own] += distance;
    }
  }
  return sums;
}

function coefficient(sums: Float64Array, sizes: readonly number[], own: number): number {
  if (sizes[own] < 2) return 0;
  const inside = sums[own] / (sizes[own] - 1);
  let outside = Number.POSITIVE_INFINITY;
  for (let cluster = 0; cluster < sizes.length; cluster++) {
    if (cluster !== own && sizes[cluster] > 0) outside = Math.min(outside, sums[cluster] / sizes[cluster]);
  }
  if (outside === Number.POSITIVE_INFINITY) return 0;
  const larger = Math.max(inside, outside);
  // Equal points in both clusters: neither fits better.
  return larger === 0 ? 0 : (outside - inside) / larger;
}
