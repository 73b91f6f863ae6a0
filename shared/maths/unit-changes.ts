// From the changes of a network's units under one transform to the entries of a vector: each relative to the unit's own size.
import { assertShape } from '../assert.ts';
import { planUnits, type Tap, tapColumns, unitQuantities } from '../contracts/extraction.ts';

/** What relative changes are made with; all but the scale are one over a whole number, which a graph can say exactly. */
export const relativeChange = {
  /** Share of a unit's clean mean in its denominator, so that a unit that an input does not touch is not blown up. */
  meanShare: 1 / 20,
  /** Keeps a relative change finite where a unit is silent on all clean inputs. */
  sizeFloor: 1 / 1000,
  /** Keeps the logarithm finite where nothing changed. */
  changeFloor: 1 / 10_000,
  /** Relative drifts are small; this brings them to where asinh bends. */
  driftScale: 5,
} as const;
/** Numbers that each unit gives to a vector: change, drift and size. */
export const unitNumbers = unitQuantities.length;
/** Relative changes of each unit: of its change and of its drift. */
export const unitEntries = 2;

/** Units of one input, each [units], in one order. */
export type UnitsOfInput = Record<(typeof unitQuantities)[number], ArrayLike<number>>;

/**
 * Relative changes of all units of an input, `U_j`, `V_j` and the base as in `unitChanges`: with
 * `q_j = base_j + 0.05 mean_j + 0.001`, first `ln(U_j / q_j + 1e-4)` of every unit, then `asinh(5 V_j / q_j)` of every unit.
 *
 * Strong adversarial examples show in how the units of all layers give way when the input is smoothed a little.
 * @param units of one input, finite
 * @param unitMeans [units], at least 0: mean of each unit's base over clean inputs
 * @returns [2 units], finite
 * @throws Error where the shapes differ
 * @see NCCR, section 3.2, for the change of a neuron that this is the relative form of
 */
export function relativeUnitChanges(
  { change, drift, base }: UnitsOfInput,
  unitMeans: ArrayLike<number>,
): Float64Array {
  const units = base.length;
  for (const values of [change, drift, unitMeans]) assertShape(values, [units], 'a quantity of the units');
  const entries = new Float64Array(unitEntries * units);
  const { meanShare, sizeFloor, changeFloor, driftScale } = relativeChange;
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
 * @returns [3 units]: the changes of the units of all taps in the plan's order, then their drifts, then their bases
 * @throws Error where the changes do not have the plan's columns
 */
export function tappedUnits(
  plan: { readonly taps: readonly Tap[] },
  changes: ArrayLike<number>,
): Float64Array {
  const units = planUnits(plan);
  const picked = new Float64Array(unitNumbers * units);
  let [column, unit] = [0, 0];
  for (const tap of plan.taps) {
    if (tap.kind !== 'units') {
      column += tapColumns(tap).length;
      continue;
    }
    for (const [quantity] of unitQuantities.entries()) {
      for (let index = 0; index < tap.units; index++) {
        picked[quantity * units + unit + index] = changes[column++];
      }
    }
    unit += tap.units;
  }
  assertShape(changes, [column], 'changes');
  return picked;
}

/** The quantities of what {@link tappedUnits} picked, not copied. */
export function unitsOf(picked: Float64Array): Record<keyof UnitsOfInput, Float64Array> {
  const units = picked.length / unitNumbers;
  const part = (index: number) => picked.subarray(index * units, (index + 1) * units);
  return { change: part(0), drift: part(1), base: part(2) };
}
