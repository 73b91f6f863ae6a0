// Vectors of synthetic classes, clean and poisoned, each drawn from its label: made again rather than kept.
import type { ClassExamples } from '../../shared/clustering/screen-class.ts';
import type { ClassSource } from '../../shared/clustering/screen-clusters.ts';
import { normal, seededRandom } from '../../shared/maths/random.ts';

/** What to draw. */
export interface SyntheticSet {
  /** Classes of the model. */
  readonly classes: number;
  readonly neurons: number;
  /** Examples of each class, by label. */
  readonly counts: readonly number[];
  /** Share of poison by label, 0 where it is absent. */
  readonly poison?: Readonly<Record<number, number>>;
  /** Deviations between poison and clean examples. */
  readonly gap?: number;
}

/**
 * Gaussian classes around centres of their own: the runner-up label of a clean example is one of two neighbours, that of a
 * poisoned one any class. Poison comes first in its class.
 */
export function syntheticClasses({
  classes,
  neurons,
  counts,
  poison = {},
  gap = 12,
}: SyntheticSet): ClassSource {
  const starts = counts.map((_, label) => counts.slice(0, label).reduce((sum, count) => sum + count, 0));
  const read = (label: number): ClassExamples => {
    const random = seededRandom(1000 + label);
    const count = counts[label];
    const poisoned = Math.round(count * (poison[label] ?? 0));
    const centre = Float64Array.from({ length: neurons }, () => 5 * normal(random));
    const vectors = new Float32Array(count * neurons);
    const runnersUp = new Int32Array(count);
    for (let row = 0; row < count; row++) {
      for (let index = 0; index < neurons; index++) {
        const shift = row < poisoned && index === 0 ? gap : 0;
        vectors[row * neurons + index] = centre[index] + normal(random) + shift;
      }
      const step = row < poisoned ? 1 + Math.floor(random() * (classes - 1)) : 1 + Math.floor(random() * 2);
      runnersUp[row] = (label + step) % classes;
    }
    return { vectors, runnersUp, rows: Uint32Array.from({ length: count }, (_, row) => starts[label] + row) };
  };
  const labels = Array.from(counts.keys()).filter((label) => counts[label] > 0);
  return { classes, neurons, labels, read };
}
