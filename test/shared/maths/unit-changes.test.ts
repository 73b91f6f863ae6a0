import { describe, expect, it } from 'vitest';
import { changeColumns, type Tap } from '../../../shared/contracts/extraction.ts';
import { unitChanges } from '../../../shared/maths/nccr.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { relativeUnitChanges, tappedUnits, unitsOf } from '../../../shared/maths/unit-changes.ts';

const taps: Tap[] = [
  { kind: 'layer', tensor: 'a' },
  { kind: 'units', tensor: 'a', transform: 1, units: 2 },
  { kind: 'neurons', tensor: 'b', index: [4, 2, 0] },
  { kind: 'units', tensor: 'b', transform: 1, units: 1 },
];

describe('the units of a plan', () => {
  it('are found among the columns of other taps', () => {
    const columns = changeColumns({ taps });
    // Each column stands for its own number, so that a wrong one shows.
    const numbers = Array.from(columns.keys());
    const { change, drift, base } = unitsOf(tappedUnits({ taps }, numbers));
    const numbersOf = (quantity: string) =>
      numbers.filter((index) => columns[index].quantity === quantity && columns[index].unit.kind === 'unit');
    expect([...change]).toEqual(numbersOf('change'));
    expect([...drift]).toEqual(numbersOf('drift'));
    expect([...base]).toEqual(numbersOf('base'));
    // By hand: two of the layer, then 3 x 2 of a, three neurons, 3 x 1 of b.
    expect([...change]).toEqual([2, 3, 11]);
  });

  it('of a plan without taps of units are none', () => {
    expect(tappedUnits({ taps: [taps[0]] }, [1, 2])).toHaveLength(0);
  });

  it('are refused among too few or too many changes', () => {
    expect(() => tappedUnits({ taps }, new Float32Array(13))).toThrow(/changes/);
    expect(() => tappedUnits({ taps }, new Float32Array(15))).toThrow(/changes/);
  });
});

describe('relative changes of units', () => {
  const relative = (numbers: readonly number[], unitMeans: readonly number[]) =>
    relativeUnitChanges(unitsOf(Float64Array.from(numbers)), unitMeans);

  it('are what the formula says', () => {
    // U = 0.5 and 0, V = -0.25 and 0, base = 1 and 0; means 2 and 4.
    const entries = relative([0.5, 0, -0.25, 0, 1, 0], [2, 4]);
    const size = 1 + 0.05 * 2 + 1e-3;
    expect(entries[0]).toBeCloseTo(Math.log(0.5 / size + 1e-4), 12);
    expect(entries[1]).toBeCloseTo(Math.log(1e-4), 12);
    expect(entries[2]).toBeCloseTo(Math.asinh((5 * -0.25) / size), 12);
    expect(entries[3]).toBe(0);
  });

  it('stay finite for a unit that no clean input touches', () => {
    expect(relative([1e30, 0, 1e30, 0, 0, 0], [0, 0]).every(Number.isFinite)).toBe(true);
  });

  it('are those of the raw activations by the plain definition', () => {
    const random = seededRandom(3);
    const values = Float32Array.from({ length: 3 * 8 }, () => normal(random));
    const units = unitChanges({ values, copies: 2, neurons: 8 }, { copy: 2, units: 2 });
    const unitMeans = [0.4, 0.7];
    const entries = relativeUnitChanges(units, unitMeans);
    for (const unit of [0, 1]) {
      const row = (copy: number) => values.subarray(copy * 8 + unit * 4, copy * 8 + unit * 4 + 4);
      const meanOf = (numbers: Float32Array) => numbers.reduce((sum, value) => sum + value, 0) / 4;
      const size = meanOf(row(0).map(Math.abs)) + 0.05 * unitMeans[unit] + 1e-3;
      const distance = meanOf(row(0).map((value, index) => Math.abs(row(2)[index] - value)));
      expect(entries[unit]).toBeCloseTo(Math.log(distance / size + 1e-4), 6);
      expect(entries[2 + unit]).toBeCloseTo(Math.asinh((5 * (meanOf(row(2)) - meanOf(row(0)))) / size), 6);
    }
  });

  it('pass a NaN on', () => {
    expect(relative([Number.NaN, 0, 0, 0, 1, 1], [1, 1])[0]).toBeNaN();
  });

  it('are refused for means of another number of units', () => {
    expect(() => relative([0, 0, 0, 0, 1, 1], [1])).toThrow(/a quantity of the units/);
  });
});
