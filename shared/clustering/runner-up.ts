// Runner-up labels: which class a model would name next, and how widely the answers of a cluster are spread.
import { assertShape } from '../assert.ts';
import { GuardError } from '../errors.ts';
import { permutation, seededRandom } from '../maths/random.ts';

/**
 * The class of the largest logit beside the labelled one, the first of equals.
 * @param logits row-major [count, classes]
 * @param labels [count], the labels of the data set, 0 to classes - 1
 * @returns [count]
 * @throws GuardError `invalid_dataset` where a label is out of range or a logit is not a number
 */
export function runnerUpLabels({
  logits,
  labels,
  classes,
}: {
  logits: Float32Array;
  labels: ArrayLike<number>;
  classes: number;
}): Int32Array {
  requireRunnersUp(classes);
  assertShape(logits, [labels.length, classes], 'logits');
  return Int32Array.from({ length: labels.length }, (_, row) => {
    const label = labels[row];
    requireLabel({ label, row, classes });
    let best = label === 0 ? 1 : 0;
    for (let named = 0; named < classes; named++) {
      const logit = logits[row * classes + named];
      if (Number.isNaN(logit)) {
        throw new GuardError('invalid_dataset', `the model answers example ${row} with NaN`);
      }
      if (named !== label && logit > logits[row * classes + best]) best = named;
    }
    return best;
  });
}

/**
 * Refuses a label that the model has no logit for.
 * @throws GuardError `invalid_dataset`
 */
export function requireLabel({ label, row, classes }: { label: number; row: number; classes: number }): void {
  if (Number.isInteger(label) && label >= 0 && label < classes) return;
  const detail = `example ${row} is labelled ${label}, the model has the classes 0 to ${classes - 1}`;
  throw new GuardError('invalid_dataset', detail);
}

/**
 * Refuses a model whose runner-up is always the same.
 * @throws GuardError `invalid_dataset` under three classes
 */
export function requireRunnersUp(classes: number): void {
  if (Number.isInteger(classes) && classes >= 3) return;
  const detail = `screening compares runner-up labels and needs a model of at least 3 classes, this one has ${classes}`;
  throw new GuardError('invalid_dataset', detail);
}

/** Rows of a cluster that one draw takes at most, and draws whose mean is taken. */
const drawnMax = 200;
const draws = 5;

/**
 * Entropy of the runner-up labels of two clusters, in bits. Entropy grows with the number of examples: both clusters are
 * drawn from without replacement to the same number, min(size 0, size 1, 200), five times, and the mean is taken.
 * @param runnersUp [count]
 * @param clusters [count], 0 or 1
 * @returns of cluster 0 and of cluster 1, 0 to log2 of the number drawn; both 0 where a cluster is empty
 */
export function runnerUpEntropies({
  runnersUp,
  clusters,
  seed,
}: {
  runnersUp: Int32Array;
  clusters: Uint8Array;
  seed: number;
}): [number, number] {
  assertShape(runnersUp, [clusters.length], 'runnersUp');
  const parts = [0, 1].map((cluster) => runnersUp.filter((_, row) => clusters[row] === cluster));
  const drawn = Math.min(parts[0].length, parts[1].length, drawnMax);
  if (drawn === 0) return [0, 0];
  const random = seededRandom(seed);
  const sums: [number, number] = [0, 0];
  for (let draw = 0; draw < draws; draw++) {
    for (const [cluster, labels] of parts.entries()) {
      const order = permutation(labels.length, random).subarray(0, drawn);
      sums[cluster] += entropyBits(Array.from(order, (place) => labels[place]));
    }
  }
  return [sums[0] / draws, sums[1] / draws];
}

function entropyBits(labels: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / labels.length) * Math.log2(count / labels.length);
  return bits;
}
