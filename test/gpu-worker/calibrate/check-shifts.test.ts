import { describe, expect, it } from 'vitest';
import { excessiveShifts, requireFewShifts } from '../../../gpu-worker/calibrate/check-shifts.ts';
import { lowestRate } from '../../../gpu-worker/calibrate/false-positive-interval.ts';

const rate = (shift: string, flagged: number, images = 500) => ({ shift, images, flagged });

describe('the lower end of a rate', () => {
  it('is that of Clopper and Pearson', () => {
    // scipy.stats.binomtest(70, 500).proportion_ci(method='exact').low and (5, 50).
    expect(lowestRate({ events: 70, trials: 500 })).toBeCloseTo(0.1107895, 6);
    expect(lowestRate({ events: 5, trials: 50 })).toBeCloseTo(0.0332751, 6);
    expect(lowestRate({ events: 0, trials: 50 })).toBe(0);
  });
});

describe('shifted clean images', () => {
  it('are flagged too often where chance does not explain it', () => {
    // 14 % of 500 lies above 10 % with its whole interval, 12 % does not.
    const rates = [rate('clean', 0.05), rate('jpeg 50', 0.14), rate('rotation 5', 0.12), rate('blur', 0.3)];
    expect(excessiveShifts(rates, 0.05).map(({ shift }) => shift)).toEqual(['blur', 'jpeg 50']);
    expect(excessiveShifts([rate('jpeg 50', 0.14, 50)], 0.05)).toEqual([]);
  });

  it('refuse a design with their figures, the worst first', () => {
    const rates = [rate('jpeg 50', 0.14), rate('contrast 0.8', 0.3, 499)];
    expect(() => requireFewShifts(rates, 'margin-changes+neurons', 0.05)).toThrow(
      expect.objectContaining({
        code: 'invalid_dataset',
        message: expect.stringMatching(
          /margin-changes\+neurons flags.*2 times the target rate of 5 %: 30\.0 % of 499 under contrast 0\.8, 14\.0 % of 500 under jpeg 50/,
        ),
      }),
    );
    expect(() => requireFewShifts([rate('jpeg 50', 0.1)], 'margin-changes+neurons', 0.05)).not.toThrow();
    expect(() => requireFewShifts([], 'margin-changes+neurons', 0.05)).not.toThrow();
  });
});
