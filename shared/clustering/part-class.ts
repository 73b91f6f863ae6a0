// Parts a class in two, a handful of outliers set aside: no cluster of them may hide what lies behind.
import { leadingAxes, momentsOf, type Projection, project } from '../maths/pca.ts';
import { clusterSeparation, positionsBetween } from './cluster-separation.ts';
import { kMeans, type Partition } from './k-means.ts';

/** Principal components that are clustered, as in Activation Clustering (Chen et al. 2018, section 4, with its later code's 10). */
const componentsMax = 10;
/** How often outliers are set aside. Each time takes at least one; what has more of them is judged as it is. */
const roundsMax = 20;

/** Two clusters of a class. */
export interface PartedClass {
  /** Row-major [count, components], principal components of what is not an outlier. */
  readonly points: Float32Array;
  readonly components: number;
  /** [count], 0 or 1: of an outlier the nearer one. */
  readonly clusters: Uint8Array;
  /** [2], outliers among them. */
  readonly sizes: Uint32Array;
  /** Places of the examples that were set aside, ascending. */
  readonly outliers: Uint32Array;
  /** Ashman's D, without the outliers. */
  readonly separation: number;
  /** [count], 0 at the centroid of cluster 0 and 1 at that of cluster 1. */
  readonly positions: Float32Array;
}

/** How a class is parted. */
export interface PartingOptions {
  readonly seed: number;
  /** Examples of a cluster under which they are outliers. */
  readonly clusterMin: number;
  /** Examples that are left at least: under as many nothing more is set aside. */
  readonly examplesMin: number;
}

/**
 * Parts the whitened vectors of a class in the space of their leading principal components.
 * @param vectors row-major [count, neurons], finite
 * @param options.whitening row-major [neurons, neurons]
 * @returns a cluster is under `clusterMin` only where it would be so again and again
 */
export function partClass(
  vectors: Float32Array,
  { whitening, ...options }: PartingOptions & { readonly whitening: Float64Array },
): PartedClass {
  const neurons = Math.sqrt(whitening.length);
  return setOutliersAside(vectors.length / neurons, options, (kept) => {
    // Outliers take the leading axes with them: they are found anew each time.
    const axes = whitenedAxes(rowsOf(vectors, neurons, kept), whitening);
    return project(vectors, axes);
  });
}

/**
 * Parts a class along its first principal component alone: the others add noise, in which small classes fall apart as well.
 * @param parted the class as all components part it
 */
export function partFirstComponent(
  { points, components }: PartedClass,
  options: PartingOptions,
): PartedClass {
  const count = points.length / components;
  const first = Float32Array.from({ length: count }, (_, place) => points[place * components]);
  return setOutliersAside(count, options, () => first);
}

/** Rows that are not outliers; undefined where that is all of them. */
type Kept = Uint32Array | undefined;

/**
 * Clusters, sets a cluster of a few aside, and clusters the rest again.
 * @param pointsOf the points of all rows, as the rows that are kept place them
 */
function setOutliersAside(
  count: number,
  { seed, clusterMin, examplesMin }: PartingOptions,
  pointsOf: (kept: Kept) => Float32Array,
): PartedClass {
  let kept: Kept;
  for (let round = 0; ; round++) {
    const points = pointsOf(kept);
    const components = points.length / count;
    const own = rowsOf(points, components, kept);
    const partition = kMeans({ points: own, dimensions: components, k: 2, seed });
    const few = partition.sizes[1] < partition.sizes[0] ? 1 : 0;
    const isHandful = partition.sizes[few] > 0 && partition.sizes[few] < clusterMin;
    const left = partition.clusters.length - partition.sizes[few];
    if (!isHandful || left < examplesMin || round === roundsMax) {
      return describeParts({ points, components, partition, kept });
    }
    const before = kept ?? Uint32Array.from(partition.clusters.keys());
    kept = before.filter((_, place) => partition.clusters[place] !== few);
  }
}

function describeParts({
  points,
  components,
  partition,
  kept,
}: Pick<PartedClass, 'points' | 'components'> & { partition: Partition; kept: Kept }): PartedClass {
  const positions = positionsBetween(points, partition.centroids);
  const count = positions.length;
  const separation = clusterSeparation(rowsOf(positions, 1, kept), partition.clusters);
  const parts = { points, components, positions, separation };
  if (kept === undefined) {
    return { ...parts, clusters: partition.clusters, sizes: partition.sizes, outliers: new Uint32Array(0) };
  }
  // The border between two clusters lies halfway between their centroids.
  const clusters = Uint8Array.from(positions, (position) => (position > 0.5 ? 1 : 0));
  const ones = clusters.reduce((sum, cluster) => sum + cluster, 0);
  const isKept = new Uint8Array(count);
  for (const place of kept) isKept[place] = 1;
  const outliers = Uint32Array.from(isKept.keys()).filter((place) => isKept[place] === 0);
  return { ...parts, clusters, sizes: Uint32Array.of(count - ones, ones), outliers };
}

/** The rows that are kept, copied only where some are not. */
function rowsOf(values: Float32Array, width: number, kept: Kept): Float32Array {
  if (kept === undefined) return values;
  const rows = new Float32Array(kept.length * width);
  for (const [place, row] of kept.entries()) {
    rows.set(values.subarray(row * width, (row + 1) * width), place * width);
  }
  return rows;
}

/** Axes of the whitened vectors' principal components, applied to the vectors as they are: the class is never copied for them. */
function whitenedAxes(vectors: Float32Array, whitening: Float64Array): Pick<Projection, 'mean' | 'axes'> {
  const neurons = Math.sqrt(whitening.length);
  const { mean, covariance } = momentsOf(vectors, neurons);
  const white = product(product(whitening, covariance, neurons), whitening, neurons);
  const { axes } = leadingAxes({ mean, covariance: white }, componentsMax);
  return { mean, axes: product(axes, whitening, neurons) };
}

/** Row-major [rows, size] times [size, size]. */
function product(left: Float64Array, right: Float64Array, size: number): Float64Array {
  const result = new Float64Array(left.length);
  for (let row = 0; row < left.length; row += size) {
    for (let middle = 0; middle < size; middle++) {
      const factor = left[row + middle];
      for (let column = 0; column < size; column++) {
        result[row + column] += factor * right[middle * size + column];
      }
    }
  }
  return result;
}
