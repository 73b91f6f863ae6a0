import { describe, expect, it } from 'vitest';
import { meanInterval } from '../../../shared/maths/mean-interval.ts';

describe('the interval of a mean', () => {
  it('is Student’s, as R gives it', () => {
    // t.test(c(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))$conf.int = 3.334149 7.665851
    const { mean, ci95 } = meanInterval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(mean).toBe(5.5);
    expect(ci95[0]).toBeCloseTo(3.334149, 3);
    expect(ci95[1]).toBeCloseTo(7.665851, 3);
  });

  it('has no width where all values are equal', () => {
    expect(meanInterval([2, 2])).toEqual({ mean: 2, ci95: [2, 2] });
  });

  it('refuses fewer than two values, more than thirty, and what is not finite', () => {
    expect(() => meanInterval([1])).toThrow(/2 to 30 values, not 1/);
    expect(() => meanInterval(Array.from({ length: 31 }, () => 1))).toThrow(/not 31/);
    expect(meanInterval(Array.from({ length: 30 }, () => 1)).mean).toBe(1);
    expect(() => meanInterval([1, Number.NaN])).toThrow(/not finite/);
  });
});
