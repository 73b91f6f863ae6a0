// The whole training data: one pass over the classes for the whitening, one for the verdicts; one class in memory at a time.
import { assertShape } from '../assert.ts';
import type { ClassVerdict, Screening, ScreeningRule } from '../contracts/screening.ts';
import { GuardError } from '../errors.ts';
import { addClass, emptyPool, whiteningOf } from './pooled-whitening.ts';
import { requireLabel, requireRunnersUp, runnerUpLabels } from './runner-up.ts';
import {
  type ClassExamples,
  requireExamples,
  type ScreenedClass,
  screenClass,
  screeningRule,
} from './screen-class.ts';

/** Where the examples of each class come from. */
export interface ClassSource {
  /** Classes of the model. */
  readonly classes: number;
  readonly neurons: number;
  /** The classes that have examples, ascending. */
  readonly labels: readonly number[];
  /** Reads a class, the same each time: it is read twice and never kept. */
  readonly read: (label: number) => ClassExamples | Promise<ClassExamples>;
}

/** How to screen. */
export interface ScreenOptions {
  readonly seed: number;
  readonly rule?: ScreeningRule;
  /** Is given each class as it is judged, for plots and progress. */
  readonly onClass?: (screened: ScreenedClass, examples: ClassExamples) => void;
}

/**
 * Screens a data set; memory grows with its largest class, never with the set (but for the list of suspects).
 * @throws GuardError `invalid_dataset` where nothing can be said: no examples, one class only, a model of two classes,
 * a vector that is not finite, a label out of range
 * @see paper, section 6
 */
export async function screenClusters(
  source: ClassSource,
  { seed, rule = screeningRule, onClass }: ScreenOptions,
): Promise<Screening> {
  const { classes, neurons, labels } = source;
  requireClasses(source);
  const pool = emptyPool(neurons);
  for (const label of labels) {
    const examples = await source.read(label);
    requireExamples(examples, { label, classes, neurons });
    addClass(pool, examples.vectors);
  }
  const whitening = whiteningOf(pool);
  const verdicts: ClassVerdict[] = [];
  for (const label of labels) {
    const examples = await source.read(label);
    const screened = screenClass(examples, { label, classes, whitening, seed, rule });
    verdicts.push(screened.verdict);
    onClass?.(screened, examples);
  }
  return composeScreening(verdicts, { classes, seed, rule });
}

/**
 * Refuses a set of classes that says nothing.
 * @throws GuardError `invalid_dataset`
 */
export function requireClasses({ classes, labels }: Pick<ClassSource, 'classes' | 'labels'>): void {
  requireRunnersUp(classes);
  if (labels.length === 0) throw new GuardError('invalid_dataset', 'there are no examples to screen');
  if (labels.length > 1) return;
  // The whitening of a single class would take a poisoned direction for ordinary spread and hide it.
  const detail = `all examples are of class ${labels[0]}: screening compares a class with the others and needs at least two`;
  throw new GuardError('invalid_dataset', detail);
}

/** Puts the verdicts on the classes together, in any order. */
export function composeScreening(
  verdicts: readonly ClassVerdict[],
  { classes, seed, rule = screeningRule }: { classes: number; seed: number; rule?: ScreeningRule },
): Screening {
  const sorted = verdicts.toSorted((left, right) => left.label - right.label);
  return {
    classes,
    examples: sorted.reduce((sum, { examples }) => sum + examples, 0),
    seed,
    rule,
    poisoned: sorted.filter(({ verdict }) => verdict === 'poisoned').map(({ label }) => label),
    verdicts: sorted,
  };
}

/** A whole data set in memory. */
export interface LabelledVectors {
  /** Row-major [count, neurons]. */
  readonly vectors: Float32Array;
  /** [count], the class of the largest logit beside the labelled one. */
  readonly runnersUp: Int32Array;
  /** [count], the labels of the data set. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
}

/**
 * Serves the classes of a set whose logits are at hand.
 * @param set.logits row-major [count, classes], of the examples as they are
 * @throws GuardError `invalid_dataset` where it is empty, a label is out of range or a logit is not a number
 */
export function classSourceOf({
  logits,
  ...set
}: Omit<LabelledVectors, 'runnersUp'> & { readonly logits: Float32Array }): ClassSource {
  const { labels, classes } = set;
  if (labels.length === 0) throw new GuardError('invalid_dataset', 'there are no examples to screen');
  return classSourceOfRows({ ...set, runnersUp: runnerUpLabels({ logits, labels, classes }) });
}

/**
 * Serves the classes of a set in memory; a class is copied out when it is read.
 * @throws GuardError `invalid_dataset` where it is empty or a label is out of range
 */
export function classSourceOfRows({ vectors, runnersUp, labels, classes }: LabelledVectors): ClassSource {
  const count = labels.length;
  if (count === 0) throw new GuardError('invalid_dataset', 'there are no examples to screen');
  const neurons = vectors.length / count;
  assertShape(vectors, [count, Math.floor(neurons)], 'vectors');
  assertShape(runnersUp, [count], 'runnersUp');
  const rowsByLabel = new Map<number, number[]>();
  for (let row = 0; row < count; row++) {
    requireLabel({ label: labels[row], row, classes });
    const rows = rowsByLabel.get(labels[row]);
    if (rows === undefined) rowsByLabel.set(labels[row], [row]);
    else rows.push(row);
  }
  const read = (label: number): ClassExamples => {
    const rows = Uint32Array.from(rowsByLabel.get(label) ?? []);
    const own = new Float32Array(rows.length * neurons);
    for (const [place, row] of rows.entries()) {
      own.set(vectors.subarray(row * neurons, (row + 1) * neurons), place * neurons);
    }
    return { vectors: own, runnersUp: Int32Array.from(rows, (row) => runnersUp[row]), rows };
  };
  return { classes, neurons, labels: [...rowsByLabel.keys()].sort((left, right) => left - right), read };
}
