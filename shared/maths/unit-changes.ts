// From the changes of a network's units under one transform to the entries of a vector: each relative to the unit's own size.
import { assertShape } from '../assert.ts';
import { changeColumns, planUnits, type Tap, unitQuantities } from '../contracts/extraction.ts';

/** Share of a unit's clean mean that stands in its denominator, so that a unit that an input does not touch is not blown up. */
const meanShare = 0.05;
/** Keeps a relative change finite where a unit is silent on all clean inputs. */
const sizeFloor = 1e-3;
/** Keeps the logarithm finite where nothing changed. */
const changeFloor = 1e-4;
/** Relative drifts are small; this brings them to where asinh bends. */
const driftScale = 5;
/** Entries that each unit gives. */
export const unitEntries = 2;

/** The units of one input as a compiled graph gives them. */
export interface TappedUnits {
  /** [columns of `changeColumns`] of one input, finite. */
  readonly changes: ArrayLike<number>;
  readonly plan: { readonly taps: readonly Tap[] };
  /** [units], at least 0: mean of each unit's base over clean inputs. */
  readonly unitMeans: ArrayLike<number>;
}

/**
 * Relative changes of all units of an input, `U_j`, `V_j` and the base as in `unitChanges`: with
 * `q_j = base_j + 0.05 mean_j + 0.001`, first `ln(U_j / q_j + 1e-4)` of every unit, then `asinh(5 V_j / q_j)` of every unit.
 *
 * Strong adversarial examples show in how the units of all layers give way when the input is smoothed a little.
 * @returns [2 units], finite
 * @throws Error where changes or means do not have the plan's shape
 * @see NCCR, section 3.2, for the change of a neuron that this is the relative form of
 */
export function relativeUnitChanges({ changes, plan, unitMeans }: TappedUnits): Float64Array {
  const { change, drift, base } = tappedUnits(plan, changes);
  const units = base.length;
  assertShape(unitMeans, [units], 'means of the units');
  const entries = new Float64Array(unitEntries * units);
  for (let unit = 0; unit < units; unit++) {
    const size = base[unit] + meanShare * unitMeans[unit] + sizeFloor;
    entries[unit] = Math.log(change[unit] / size + changeFloor);
    entries[units + unit] = Math.asinh((driftScale * drift[unit]) / size);
  }
  return entries;
}

/**
 * Picks the units of all taps out of the changes of one input.
 * @param changes [columns of `changeColumns`]
 * @returns each quantity as [units], the taps in the plan's order
 * @throws Error where the changes do not have the plan's columns
 */
export function tappedUnits(
  plan: { readonly taps: readonly Tap[] },
  changes: ArrayLike<number>,
): Record<(typeof unitQuantities)[number], Float64Array> {
  const units = planUnits(plan);
  const picked = {
    change: new Float64Array(units),
    drift: new Float64Array(units),
    base: new Float64Array(units),
  };
  let [column, unit] = [0, 0];
  for (const tap of plan.taps) {
    if (tap.kind !== 'units') {
      column += changeColumns({ taps: [tap] }).length;
      continue;
    }
    for (const quantity of unitQuantities) {
      for (let index = 0; index < tap.units; index++) picked[quantity][unit + index] = changes[column++];
    }
    unit += tap.units;
  }
  assertShape(changes, [column], 'changes');
  return picked;
}
