// k-means with seeded k-means++ starts: the partition of least inertia out of several.
import { assert } from '../assert.ts';
import { GuardError } from '../errors.ts';
import { type Random, seededRandom } from '../maths/random.ts';

/** Starts of which the best is kept: scikit-learn's count for k-means. */
const restartsDefault = 10;
/** Lloyd's steps of one start: scikit-learn's bound, which separated clusters never come near. */
const stepsMaxDefault = 300;

/** Points and how to part them. */
export interface KMeansInput {
  /** Row-major [count, dimensions], finite. */
  readonly points: Float32Array;
  readonly dimensions: number;
  /** Number of clusters, 1 to 256. */
  readonly k: number;
  readonly seed: number;
  readonly restarts?: number;
  readonly stepsMax?: number;
}

/** A partition of points. */
export interface Partition {
  /** [count], the cluster of each point, 0 to k - 1. */
  readonly clusters: Uint8Array;
  /** Row-major [k, dimensions]. */
  readonly centroids: Float64Array;
  /** [k]; a cluster is empty only where there are fewer distinct points than clusters. */
  readonly sizes: Uint32Array;
  /** Sum of squared distances of the points from their centroids. */
  readonly inertia: number;
}

/**
 * Parts points into k clusters; memory grows with the number of points, time with their number times k.
 * @returns the partition of least inertia; equal seeds give equal partitions
 * @throws GuardError `invalid_dataset` where there are fewer points than clusters, or one is not finite
 * @see Lloyd (1982); Arthur and Vassilvitskii (2007), k-means++, section 2.2
 */
export function kMeans(input: KMeansInput): Partition {
  const { points, dimensions, k, restarts = restartsDefault } = input;
  const count = points.length / dimensions;
  assert(Number.isInteger(count), 'the points are whole rows');
  assert(Number.isInteger(k) && k >= 1 && k <= 256, 'k is 1 to 256');
  assert(restarts >= 1, 'there is at least one start');
  if (count < k) {
    throw new GuardError('invalid_dataset', `${count} points cannot be parted into ${k} clusters`);
  }
  const wrong = points.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    throw new GuardError('invalid_dataset', `point ${Math.floor(wrong / dimensions)} is not finite`);
  }
  const random = seededRandom(input.seed);
  let best = runFromStart(input, random);
  for (let start = 1; start < restarts; start++) {
    const other = runFromStart(input, random);
    if (other.inertia < best.inertia) best = other;
  }
  return best;
}

function runFromStart(input: KMeansInput, random: Random): Partition {
  const { points, dimensions, k, stepsMax = stepsMaxDefault } = input;
  const count = points.length / dimensions;
  const centroids = startingCentroids(input, random);
  const clusters = new Uint8Array(count).fill(k - 1);
  const distances = new Float64Array(count);
  const sizes = new Uint32Array(k);
  for (let step = 0; step < stepsMax; step++) {
    const moved = assignPoints({ points, centroids, clusters, distances, dimensions });
    if (step > 0 && moved === 0) break;
    moveCentroids({ points, centroids, clusters, distances, dimensions, sizes });
  }
  // Centroids may have moved after the last assignment: the answer's parts belong together.
  assignPoints({ points, centroids, clusters, distances, dimensions });
  sizes.fill(0);
  for (const cluster of clusters) sizes[cluster]++;
  return { clusters, centroids, sizes, inertia: distances.reduce((sum, value) => sum + value, 0) };
}

/** k-means++: each further centroid is a point drawn with a weight of its squared distance from the nearest so far. */
function startingCentroids({ points, dimensions, k }: KMeansInput, random: Random): Float64Array {
  const count = points.length / dimensions;
  const centroids = new Float64Array(k * dimensions);
  const nearest = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  let chosen = Math.floor(random() * count);
  for (let cluster = 0; cluster < k; cluster++) {
    const centre = points.subarray(chosen * dimensions, (chosen + 1) * dimensions);
    centroids.set(centre, cluster * dimensions);
    let total = 0;
    for (let row = 0; row < count; row++) {
      let distance = 0;
      for (let index = 0; index < dimensions; index++) {
        distance += (points[row * dimensions + index] - centre[index]) ** 2;
      }
      if (distance < nearest[row]) nearest[row] = distance;
      total += nearest[row];
    }
    let left = random() * total;
    chosen = 0;
    // A row of weight zero equals a centroid that is there already and is passed over while others are left.
    for (let row = 0; row < count && left >= 0; row++) {
      if (nearest[row] === 0) continue;
      chosen = row;
      left -= nearest[row];
    }
  }
  return centroids;
}

interface Assignment {
  readonly points: Float32Array;
  readonly centroids: Float64Array;
  readonly clusters: Uint8Array;
  /** [count], squared, from the own centroid. */
  readonly distances: Float64Array;
  readonly dimensions: number;
}

/** Gives each point to its nearest centroid, the first of equals; how many points changed theirs. */
function assignPoints({ points, centroids, clusters, distances, dimensions }: Assignment): number {
  const k = centroids.length / dimensions;
  let moved = 0;
  for (let row = 0; row < clusters.length; row++) {
    let best = 0;
    let nearest = Number.POSITIVE_INFINITY;
    for (let cluster = 0; cluster < k; cluster++) {
      let distance = 0;
      for (let index = 0; index < dimensions; index++) {
        const gap = points[row * dimensions + index] - centroids[cluster * dimensions + index];
        distance += gap * gap;
      }
      if (distance < nearest) {
        nearest = distance;
        best = cluster;
      }
    }
    if (clusters[row] !== best) moved++;
    clusters[row] = best;
    distances[row] = nearest;
  }
  return moved;
}

/** Puts each centroid at the mean of its points; an empty cluster takes the point that is worst placed, where one is misplaced at all. */
function moveCentroids({
  points,
  centroids,
  clusters,
  distances,
  dimensions,
  sizes,
}: Assignment & { readonly sizes: Uint32Array }): void {
  const sums = new Float64Array(centroids.length);
  sizes.fill(0);
  for (let row = 0; row < clusters.length; row++) {
    sizes[clusters[row]]++;
    const offset = clusters[row] * dimensions;
    for (let index = 0; index < dimensions; index++) sums[offset + index] += points[row * dimensions + index];
  }
  for (let cluster = 0; cluster < sizes.length; cluster++) {
    const offset = cluster * dimensions;
    if (sizes[cluster] > 0) {
      for (let index = 0; index < dimensions; index++) {
        centroids[offset + index] = sums[offset + index] / sizes[cluster];
      }
      continue;
    }
    const worst = distances.reduce((most, value, row) => (value > distances[most] ? row : most), 0);
    if (distances[worst] === 0) continue;
    centroids.set(points.subarray(worst * dimensions, (worst + 1) * dimensions), offset);
    distances[worst] = 0;
  }
}
