import { describe, expect, it } from 'vitest';
import { auroc, rateAbove, tprAtFpr } from '../../../shared/maths/auroc.ts';

describe('AUROC', () => {
  it('counts pairs in the right order, a tie for half', () => {
    // By hand: of six pairs (3,1) (3,2) (2,1) are right, (2,2) ties, (0,1) (0,2) are wrong.
    expect(auroc([3, 2, 0], [1, 2])).toBeCloseTo(3.5 / 6, 12);
    expect(auroc([1], [0])).toBe(1);
    expect(auroc([0], [1])).toBe(0);
    expect(auroc([5, 5], [5, 5, 5])).toBe(0.5);
  });

  it('takes infinite scores and refuses NaN and empty sets', () => {
    expect(auroc([Number.POSITIVE_INFINITY], [0, 1e308])).toBe(1);
    expect(() => auroc([Number.NaN], [0])).toThrow(/not a number/);
    expect(() => auroc([0], [0, Number.NaN])).toThrow(/not a number/);
    expect(() => auroc([], [0])).toThrow(/both classes/);
  });
});

describe('rates at a threshold', () => {
  it('count scores strictly above it', () => {
    expect(rateAbove([1, 2, 3], 2)).toBeCloseTo(1 / 3, 12);
    expect(rateAbove([], 2)).toBe(0);
  });

  it('allow no more false positives than asked for', () => {
    const clean = Float64Array.from({ length: 100 }, (_, index) => index);
    expect(tprAtFpr([94, 95, 98.5], clean, 0.05)).toBeCloseTo(2 / 3, 12);
    expect(tprAtFpr([94, 95, 98.5], clean, 0.01)).toBeCloseTo(1 / 3, 12);
  });
});
