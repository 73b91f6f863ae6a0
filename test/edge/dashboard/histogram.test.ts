// Bars of scores: counted by hand.
import { describe, expect, it } from 'vitest';
import { expectedCounts, histogram } from '../../../edge/dashboard/browser/histogram.ts';
import { seededRandom } from '../../../shared/maths/random.ts';

describe('the histogram of scores', () => {
  it('has no bar where there is no score', () => {
    expect(histogram([], 1)).toEqual([]);
  });

  it('puts a score at the threshold below it: above means greater', () => {
    const bars = histogram([0, 1, 1.0001], 1);
    expect(bars.filter(({ from }) => from >= 1).reduce((sum, { count }) => sum + count, 0)).toBe(1);
    expect(bars.filter(({ to }) => to <= 1).reduce((sum, { count }) => sum + count, 0)).toBe(2);
  });

  it('counts every score once, in forty bars at most that follow each other and meet at the threshold', () => {
    const random = seededRandom(3);
    for (const [reach, threshold] of [
      [1, 0.5],
      [500, -3.9],
      [1e-6, 7],
      [20, 100],
    ] as const) {
      const scores = Array.from({ length: 300 }, () => (random() - 0.5) * reach);
      const bars = histogram(scores, threshold);
      expect(bars.reduce((sum, { count }) => sum + count, 0)).toBe(300);
      expect(bars.length).toBeLessThanOrEqual(40);
      for (const [index, { from }] of bars.entries()) {
        if (index > 0) expect(from).toBeCloseTo(bars[index - 1].to, 9);
      }
      expect(bars.some(({ from, to }) => from === threshold || to === threshold)).toBe(true);
      for (const { from, to, count } of bars) {
        expect(
          scores.filter((score) => score > from + 1e-12 && score <= to - 1e-12).length,
        ).toBeLessThanOrEqual(count);
      }
    }
  });

  it('expects of the calibration as many below the threshold as there are', () => {
    // Clean scores from 0 to 10, each as likely: bars of equal width expect the same of each.
    const quantiles = Array.from({ length: 101 }, (_, percent) => percent / 10);
    const scores = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 30];
    const bars = histogram(scores, 8);
    const expected = expectedCounts(bars, { quantiles, threshold: 8 });
    const below = bars.flatMap(({ to }, bar) => (to <= 8 ? [expected[bar]] : []));
    expect(below.reduce((sum, count) => sum + count, 0)).toBeCloseTo(8, 9);
    // A fifth of the clean inputs lie above the threshold, and none beyond the last of them.
    expect(expected.reduce((sum, count) => sum + count, 0)).toBeCloseTo(10, 9);
    expect(expected.at(-1)).toBe(0);
    expect(expectedCounts(bars, { quantiles: [50, 60], threshold: 8 }).every((count) => count === 0)).toBe(
      true,
    );
  });

  it('draws one score, and many that are the same', () => {
    expect(histogram([2], 2).map(({ count }) => count)).toEqual([1]);
    const bars = histogram([5, 5, 5], 2);
    expect(bars.at(-1)!.count).toBe(3);
  });
});
