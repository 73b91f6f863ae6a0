// How well a method's suspects are the rows that were planted, and the smallest rates at which a method still finds them.
import { assert } from '../../shared/assert.ts';
import type { MethodScore, ScreeningRow } from '../../shared/contracts/screening-table.ts';
import { f1Score } from '../../shared/maths/f1-score.ts';
import type { Suspicion } from '../baselines/training-activations.ts';

/** What is known of a set. */
export interface KnownPoison {
  /** [planted], rows with a trigger, none twice. */
  readonly planted: ArrayLike<number>;
  /** [count], labels as the defender sees them. */
  readonly labels: ArrayLike<number>;
}

/**
 * Scores suspects against the planted rows.
 * @param seconds that the method took
 */
export function scoreSuspicion(
  { rows, labels: flagged }: Suspicion,
  { planted, labels }: KnownPoison,
  { seconds }: { seconds: number },
): MethodScore {
  const isPlanted = new Set(Array.from(planted));
  assert(isPlanted.size === planted.length, 'no row is planted twice');
  let hits = 0;
  for (const row of rows) if (isPlanted.has(row)) hits++;
  const clean = labels.length - isPlanted.size;
  const targets = new Set(Array.from(planted, (row) => labels[row]));
  const known = isPlanted.size > 0;
  const recall = known ? hits / isPlanted.size : null;
  return {
    f1: known ? f1Score({ hits, found: rows.length, planted: isPlanted.size }) : null,
    precision: known ? (rows.length === 0 ? 0 : hits / rows.length) : null,
    recall,
    flagged: flagged === undefined ? null : [...flagged],
    false_classes: flagged === undefined ? null : flagged.filter((label) => !targets.has(label)),
    clean_flagged: clean === 0 ? 0 : (rows.length - hits) / clean,
    seconds,
  };
}

/** F1 from which a method is said to find a poison. */
export const f1Holds = 0.9;

/** What was tried of one trigger, and from where on a method finds it. */
export interface SmallestRate {
  readonly trigger: string;
  readonly cleanLabel: boolean;
  /** Rates of the sets, rising. */
  readonly rates: readonly number[];
  /** By method: the smallest rate from which on F1 is at least {@link f1Holds} in every set; null where it is so at none. */
  readonly smallest: Readonly<Record<string, number | null>>;
}

/** The smallest rates of each trigger, in the order of the rows. */
export function smallestRates(rows: readonly ScreeningRow[]): SmallestRate[] {
  const groups = new Map<string, ScreeningRow[]>();
  for (const row of rows) {
    if (row.trigger === null) continue;
    const key = JSON.stringify([row.trigger, row.clean_label]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    const rising = group.toSorted((left, right) => left.rate - right.rate);
    const methods = Object.keys(rising[0].methods);
    return {
      trigger: rising[0].trigger!,
      cleanLabel: rising[0].clean_label,
      rates: [...new Set(rising.map(({ rate }) => rate))],
      smallest: Object.fromEntries(methods.map((method) => [method, smallestOf(rising, method)])),
    };
  });
}

function smallestOf(rising: readonly ScreeningRow[], method: string): number | null {
  const lost = rising.findLast(({ methods }) => (methods[method]?.f1 ?? 0) < f1Holds);
  return rising.find(({ rate }) => lost === undefined || rate > lost.rate)?.rate ?? null;
}
