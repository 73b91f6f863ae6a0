// The activations of training data as its baselines take them, class by class, and what such a baseline answers.
import { assertShape } from '../../shared/assert.ts';
import { requireLabel } from '../../shared/clustering/runner-up.ts';
import { GuardError } from '../../shared/errors.ts';

/** Penultimate activations of a training set. */
export interface TrainingActivations {
  /** Row-major [count, neurons], finite. */
  readonly activations: Float32Array;
  readonly neurons: number;
  /** [count], the labels of the data set, each 0 to classes - 1. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
}

/** What a baseline says of a training set. */
export interface Suspicion {
  /** Rows taken for poison, rising. */
  readonly rows: Uint32Array;
  /** Labels called poisoned, rising; undefined where the method judges examples and no classes. */
  readonly labels: readonly number[] | undefined;
}

/** The examples of one class. */
export interface ClassActivations {
  readonly label: number;
  /** [count], rows in the data set, rising. */
  readonly rows: Uint32Array;
  /** Row-major [count, neurons], copied. */
  readonly activations: Float32Array;
}

/**
 * Takes a training set apart by label, one class after the other, rising; labels without examples are left out.
 * @throws GuardError `invalid_dataset` where there are no examples, a label is out of range or an activation is not finite
 */
export function* activationClasses(set: TrainingActivations): Generator<ClassActivations> {
  const { activations, neurons, labels, classes } = set;
  if (labels.length === 0) throw new GuardError('invalid_dataset', 'there are no examples to screen');
  assertShape(activations, [labels.length, neurons], 'activations');
  const wrong = activations.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const row = Math.floor(wrong / neurons);
    throw new GuardError('invalid_dataset', `the activation of example ${row} is not finite`);
  }
  const rowsOf: number[][] = Array.from({ length: classes }, () => []);
  for (let row = 0; row < labels.length; row++) {
    requireLabel({ label: labels[row], row, classes });
    rowsOf[labels[row]].push(row);
  }
  for (const [label, rows] of rowsOf.entries()) {
    if (rows.length === 0) continue;
    const own = new Float32Array(rows.length * neurons);
    for (const [place, row] of rows.entries()) {
      own.set(activations.subarray(row * neurons, (row + 1) * neurons), place * neurons);
    }
    yield { label, rows: Uint32Array.from(rows), activations: own };
  }
}
