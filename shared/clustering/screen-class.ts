// One class of the training data: two clusters of its whitened vectors, and the rule that calls one of them poison.
import { assertShape } from '../assert.ts';
import type { ClassVerdict, ScreeningRule } from '../contracts/screening.ts';
import { GuardError } from '../errors.ts';
import { leadingAxes, momentsOf, type Projection, project } from '../maths/pca.ts';
import { clusterSeparation } from './cluster-separation.ts';
import { kMeans } from './k-means.ts';
import { requireLabel, requireRunnersUp, runnerUpEntropies } from './runner-up.ts';
import { type Silhouette, silhouette } from './silhouette.ts';

/**
 * Thresholds of the rule. They were chosen on seventeen training sets of GTSRB and CIFAR-10 with networks of two architectures
 * (BadNets, Blended, SIG and ReFool at 1 to 10 %, and a clean one). Over all of their clean classes the evidence is at most 3.0
 * and the first separation at most 5.7, by either kind of vectors; the poisoned classes that are found are at 3.6 and more, one at a first
 * separation of 7.6, whose poison the network is so sure of that it always has the same runner-up. Bounds on separation (4.6)
 * and entropy (0.6) each for itself found one class less.
 *
 * Deviation: the paper decides by the silhouette coefficient, whose values of clean and poisoned classes overlap there.
 */
export const screeningRule: ScreeningRule = {
  examples_min: 80,
  cluster_examples_min: 20,
  evidence_min: 3.3,
  first_separation_min: 6.5,
  direction_share_min: 0.15,
  direction_entropy_min: 0.5,
};
/** Principal components that are clustered, as in Activation Clustering (Chen et al. 2018, section 4, with its later code's 10). */
const componentsMax = 10;

/** The examples of one class. */
export interface ClassExamples {
  /** Row-major [count, neurons]: change of the penultimate activation under the destroying noise, or the activation itself. */
  readonly vectors: Float32Array;
  /** [count], the class of the largest logit beside the labelled one. */
  readonly runnersUp: Int32Array;
  /** [count], the examples' rows in the data set. */
  readonly rows: Uint32Array;
}

/** What a class is judged by. */
export interface ScreenClassOptions {
  readonly label: number;
  /** Classes of the model. */
  readonly classes: number;
  /** Row-major [neurons, neurons], of `whiteningOf`. */
  readonly whitening: Float64Array;
  /** One seed for the whole data set: each class draws its own stream by its label. */
  readonly seed: number;
  readonly rule?: ScreeningRule;
}

/** A verdict, and the picture that goes with it where the class was judged. */
export interface ScreenedClass {
  readonly verdict: ClassVerdict;
  readonly picture?: {
    /** Row-major [count, components]: principal components of the whitened vectors. */
    readonly points: Float32Array;
    readonly components: number;
    /** [count], 0 or 1. */
    readonly clusters: Uint8Array;
    readonly silhouette: Silhouette;
  };
}

/**
 * Judges one class: poisoned where its two clusters are far apart and the runner-up labels of one are spread widely, for poison
 * comes from everywhere and the clean examples of a class resemble few others; or where the class falls apart along its first
 * principal component farther than any clean one does.
 * @throws GuardError `invalid_dataset` where a vector is not finite, a label is out of range or there is no example
 */
export function screenClass(examples: ClassExamples, options: ScreenClassOptions): ScreenedClass {
  const { label, classes, whitening, seed, rule = screeningRule } = options;
  const { vectors, runnersUp, rows } = examples;
  const neurons = Math.sqrt(whitening.length);
  requireExamples(examples, { label, classes, neurons });
  const count = rows.length;
  if (count < rule.examples_min) return { verdict: { verdict: 'too_small', label, examples: count } };

  const points = project(vectors, whitenedAxes(vectors, whitening));
  const components = points.length / count;
  const classSeed = seed + Math.imul(label + 1, 0x9e3779b1);
  const partition = kMeans({ points, dimensions: components, k: 2, seed: classSeed });
  const { clusters, sizes } = partition;
  const { separation, positions } = clusterSeparation(points, partition);
  const firstSeparation = separationOfFirst(points, { components, seed: classSeed });
  const entropies = runnerUpEntropies({ runnersUp, clusters, seed: classSeed });
  const coefficients = silhouette({ points, dimensions: components, clusters, k: 2, seed: classSeed });

  const evidence = (separation * Math.max(...entropies)) / Math.log2(classes - 1);
  const judged = {
    label,
    examples: count,
    separation,
    first_separation: firstSeparation,
    evidence,
    silhouette: coefficients.mean,
    silhouette_exact: coefficients.exact,
    clusters: [
      { examples: sizes[0], entropy_bits: entropies[0] },
      { examples: sizes[1], entropy_bits: entropies[1] },
    ] satisfies [unknown, unknown],
  };
  const picture = { points, components, clusters, silhouette: coefficients };
  const found = findPoison({ evidence, firstSeparation, entropies, sizes, classes, rule });
  if (found === undefined) return { verdict: { verdict: 'clean', ...judged }, picture };
  const suspects = suspectsOf({ rows, clusters, positions, poison: found.poison_cluster });
  return { verdict: { verdict: 'poisoned', ...judged, ...found, suspects }, picture };
}

/**
 * Refuses what cannot be screened.
 * @throws GuardError `invalid_dataset`
 */
export function requireExamples(
  { vectors, runnersUp, rows }: ClassExamples,
  { label, classes, neurons }: { label: number; classes: number; neurons: number },
): void {
  requireRunnersUp(classes);
  assertShape(vectors, [rows.length, neurons], 'vectors');
  assertShape(runnersUp, [rows.length], 'runnersUp');
  if (rows.length === 0) throw new GuardError('invalid_dataset', `class ${label} has no example`);
  requireLabel({ label, row: rows[0], classes });
  const wrong = vectors.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const row = rows[Math.floor(wrong / neurons)];
    throw new GuardError('invalid_dataset', `the vector of example ${row} is not finite`);
  }
  for (let place = 0; place < rows.length; place++) {
    requireLabel({ label: runnersUp[place], row: rows[place], classes });
  }
}

/** Axes of the whitened vectors' principal components, applied to the vectors as they are: the class is never copied. */
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

/** Ashman's D of two clusters along the first component: the others add noise, in which small classes fall apart as well. */
function separationOfFirst(
  points: Float32Array,
  { components, seed }: { components: number; seed: number },
): number {
  const first = Float32Array.from(
    { length: points.length / components },
    (_, place) => points[place * components],
  );
  return clusterSeparation(first, kMeans({ points: first, dimensions: 1, k: 2, seed })).separation;
}

/** What the rule looks at. */
interface Evidence {
  readonly evidence: number;
  readonly firstSeparation: number;
  readonly entropies: readonly [number, number];
  readonly sizes: Uint32Array;
  readonly classes: number;
  readonly rule: ScreeningRule;
}

/**
 * The rule alone: which cluster is the poison, if one is.
 * @param entropies in bits
 */
export function findPoison({
  evidence,
  firstSeparation,
  entropies: [first, second],
  sizes,
  classes,
  rule,
}: Evidence): FoundPoison | undefined {
  // A few outliers have no spread of their own and lie any number of deviations away: one image was at 35.
  if (Math.min(...sizes) < rule.cluster_examples_min) return undefined;
  const isSpread = evidence >= rule.evidence_min;
  if (!isSpread && firstSeparation < rule.first_separation_min) return undefined;
  const reason = isSpread ? 'evidence' : 'first_separation';
  const higher = second > first ? 1 : 0;
  const entropyMax = Math.log2(classes - 1);
  const gap = Math.abs(first - second) / entropyMax;
  // Poison of which the network is entirely sure has one runner-up: its entropy is the lower of two low ones.
  const tells = isSpread && Math.max(first, second) >= rule.direction_entropy_min * entropyMax;
  if (tells && gap >= rule.direction_share_min) {
    return { poison_cluster: higher, direction: 'strong', reason };
  }
  const smaller = sizes[1] < sizes[0] ? 1 : 0;
  return { poison_cluster: sizes[0] === sizes[1] ? higher : smaller, direction: 'weak', reason };
}

/** What the rule found. */
export interface FoundPoison {
  readonly poison_cluster: 0 | 1;
  readonly direction: 'strong' | 'weak';
  readonly reason: 'evidence' | 'first_separation';
}

function suspectsOf({
  rows,
  clusters,
  positions,
  poison,
}: {
  rows: Uint32Array;
  clusters: Uint8Array;
  positions: Float32Array;
  poison: 0 | 1;
}): { row: number; score: number }[] {
  const suspects: { row: number; score: number }[] = [];
  for (let place = 0; place < rows.length; place++) {
    if (clusters[place] !== poison) continue;
    suspects.push({ row: rows[place], score: poison === 1 ? positions[place] : 1 - positions[place] });
  }
  return suspects.sort((left, right) => right.score - left.score || left.row - right.row);
}
