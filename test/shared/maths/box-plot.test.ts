import { describe, expect, it } from 'vitest';
import { boxFigures } from '../../../shared/maths/box-plot.ts';

describe('a box plot', () => {
  it('has quartiles between the ranks, as R and NumPy have them', () => {
    // numpy.percentile([1, 2, 3, 4, 5, 6], [25, 50, 75]) = 2.25, 3.5, 4.75
    expect(boxFigures([6, 1, 5, 2, 4, 3])).toEqual({
      count: 6,
      mean: 3.5,
      median: 3.5,
      quartiles: [2.25, 4.75],
      whiskers: [1, 6],
      outliers: [],
    });
  });

  it('ends its whiskers at the last values within one and a half boxes, and names those beyond', () => {
    // Quartiles 2 and 4: the reach is from -1 to 7.
    expect(boxFigures([1, 2, 3, 4, 40])).toMatchObject({ mean: 10, whiskers: [1, 4], outliers: [40] });
    expect(boxFigures([-30, 2, 3, 4, 5])).toMatchObject({ whiskers: [2, 5], outliers: [-30] });
  });

  it('keeps the box within its whiskers where a quartile lies beyond every value inside', () => {
    const { quartiles, whiskers } = boxFigures([0, 0, 0, 100]);
    expect(quartiles).toEqual([0, 25]);
    expect(whiskers).toEqual([0, 25]);
  });

  it('of one value, or of equal ones, is that value', () => {
    for (const values of [[3], [3, 3, 3, 3]]) {
      expect(boxFigures(values)).toMatchObject({
        mean: 3,
        median: 3,
        quartiles: [3, 3],
        whiskers: [3, 3],
        outliers: [],
      });
    }
  });

  it('refuses no values, and values that are not finite', () => {
    expect(() => boxFigures([])).toThrow(/needs a value/);
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => boxFigures([1, wrong])).toThrow(/not finite/);
  });
});
