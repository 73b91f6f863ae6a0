// Models of one robustness report in pairs: which changes more under the same noise, and in how many of its sets.
import { assert } from '../assert.ts';
import type { ModelRobustness } from '../contracts/robustness-report.ts';
import { meanInterval } from '../maths/mean-interval.ts';

/** The unit of a comparison. */
export type NccrUnit = 'relative' | 'l2';

/** Two models by one unit; the first is the one that changes more on average. */
export interface ModelComparison {
  readonly above: string;
  readonly below: string;
  /** Sets of noise in which the first one lies above the second, of all sets. */
  readonly setsAbove: number;
  readonly sets: number;
  /** Mean of the differences set by set, at least 0, and its 95 % interval. */
  readonly difference: number;
  readonly ci95: readonly [number, number];
  /** Whether the interval leaves 0 out. */
  readonly isSure: boolean;
}

/**
 * Compares all models in pairs, set by set, since all were given the same noise.
 * @returns pairs in the order of the models
 */
export function compareModels(models: readonly ModelRobustness[], unit: NccrUnit): ModelComparison[] {
  return models.flatMap((first, index) =>
    models.slice(index + 1).map((second) => {
      const [above, below] = first[unit].mean >= second[unit].mean ? [first, second] : [second, first];
      const differences = above[unit].sets.map((value, set) => value - below[unit].sets[set]);
      const { mean, ci95 } = meanInterval(differences);
      return {
        above: above.name,
        below: below.name,
        setsAbove: differences.filter((difference) => difference > 0).length,
        sets: differences.length,
        difference: mean,
        ci95,
        isSure: ci95[0] > 0,
      };
    }),
  );
}

/** A comparison as a sentence. */
export function comparisonText(
  { above, below, setsAbove, sets, difference, ci95: [low, high], isSure }: ModelComparison,
  unit: NccrUnit,
): string {
  const what = unit === 'relative' ? 'relative NCCR' : 'raw l2 NCCR';
  const figures = `difference ${nccrText(difference)}, 95 % ${nccrText(low)} to ${nccrText(high)}`;
  const doubt = isSure ? '' : ': not told apart';
  return `${what}: ${above} above ${below} in ${setsAbove} of ${sets} sets (${figures})${doubt}`;
}

/** An NCCR with three significant figures. @throws Error where it is no finite number */
export function nccrText(value: number): string {
  assert(Number.isFinite(value), 'a figure of a report is not a number');
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3);
}
