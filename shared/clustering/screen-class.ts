// One class of the training data: two clusters of its whitened vectors, and the rule that calls one of them poison.
import { assertShape } from '../assert.ts';
import type { ClassVerdict, ScreeningRule } from '../contracts/screening.ts';
import { GuardError } from '../errors.ts';
import { outlierRowsMax } from '../limits.ts';
import { type PartedClass, partClass, partFirstComponent } from './part-class.ts';
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

  const classSeed = seed + Math.imul(label + 1, 0x9e3779b1);
  const parting = {
    seed: classSeed,
    clusterMin: rule.cluster_examples_min,
    examplesMin: rule.examples_min,
  };
  const whole = partClass(vectors, { ...parting, whitening });
  const first = partFirstComponent(whole, parting);
  const entropiesOf = ({ clusters }: PartedClass) =>
    runnerUpEntropies({ runnersUp, clusters, seed: classSeed });
  const entropies = entropiesOf(whole);
  const evidence = (whole.separation * Math.max(...entropies)) / Math.log2(classes - 1);
  const reason = reasonOf({ evidence, firstSeparation: first.separation }, rule);
  // What is said of a poisoned class is said of the partition that gave it away.
  const parted = reason === 'first_separation' ? first : whole;
  const { clusters, sizes, positions, outliers } = parted;
  const told = parted === whole ? entropies : entropiesOf(parted);
  const { points, components } = whole;
  const coefficients = silhouette({ points, dimensions: components, clusters, k: 2, seed: classSeed });
  const judged = {
    label,
    examples: count,
    outliers: outliers.length,
    ...(outliers.length > 0 && { outlier_rows: rowsAt(rows, outliers.subarray(0, outlierRowsMax)) }),
    separation: whole.separation,
    first_separation: first.separation,
    evidence,
    silhouette: coefficients.mean,
    silhouette_exact: coefficients.exact,
    clusters: [
      { examples: sizes[0], entropy_bits: told[0] },
      { examples: sizes[1], entropy_bits: told[1] },
    ] satisfies [unknown, unknown],
  };
  const picture = { points, components, clusters, silhouette: coefficients };
  if (reason === undefined) return { verdict: { verdict: 'clean', ...judged }, picture };
  const found = { ...poisonCluster({ reason, entropies: told, sizes, classes, rule }), reason };
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

/** Which of the rule's two bounds gives a class away; `evidence` where both do. */
export type PoisonReason = 'evidence' | 'first_separation';

/** Whether a class is poisoned, and by which bound. */
export function reasonOf(
  { evidence, firstSeparation }: { evidence: number; firstSeparation: number },
  rule: ScreeningRule,
): PoisonReason | undefined {
  if (evidence >= rule.evidence_min) return 'evidence';
  return firstSeparation >= rule.first_separation_min ? 'first_separation' : undefined;
}

/**
 * Which cluster of a poisoned class is the poison.
 * @param entropies in bits
 */
export function poisonCluster({
  reason,
  entropies: [first, second],
  sizes,
  classes,
  rule,
}: {
  readonly reason: PoisonReason;
  readonly entropies: readonly [number, number];
  readonly sizes: Uint32Array;
  readonly classes: number;
  readonly rule: ScreeningRule;
}): { poison_cluster: 0 | 1; direction: 'strong' | 'weak' } {
  const higher = second > first ? 1 : 0;
  const entropyMax = Math.log2(classes - 1);
  const gap = Math.abs(first - second) / entropyMax;
  // Poison of which the network is entirely sure has one runner-up: its entropy is the lower of two low ones.
  const tells = reason === 'evidence' && Math.max(first, second) >= rule.direction_entropy_min * entropyMax;
  if (tells && gap >= rule.direction_share_min) return { poison_cluster: higher, direction: 'strong' };
  const smaller = sizes[1] < sizes[0] ? 1 : 0;
  return { poison_cluster: sizes[0] === sizes[1] ? higher : smaller, direction: 'weak' };
}

function rowsAt(rows: Uint32Array, places: Uint32Array): number[] {
  return Array.from(places, (place) => rows[place]);
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
