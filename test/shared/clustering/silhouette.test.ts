// Silhouette coefficients: by hand, and the sample against the exact answer.
import { describe, expect, it } from 'vitest';
import { silhouette } from '../../../shared/clustering/silhouette.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

/** Two groups on a plane, `gap` deviations apart; a tenth of the points is in the second. */
function groups(count: number, gap: number): { points: Float32Array; clusters: Uint8Array } {
  const random = seededRandom(11);
  const clusters = Uint8Array.from({ length: count }, (_, row) => (row % 10 === 0 ? 1 : 0));
  const points = Float32Array.from({ length: 2 * count }, (_, index) => {
    return normal(random) + (index % 2 === 0 ? gap * clusters[index >> 1] : 0);
  });
  return { points, clusters };
}

describe('silhouette', () => {
  it('is (b - a) / max(a, b) of each point', () => {
    // By hand: 0 has a = 1, b = (4 + 6) / 2 = 5; 1 has a = 1, b = 4; 4 has a = 2, b = 3.5; 6 has a = 2, b = 5.5.
    const expected = [4 / 5, 3 / 4, 1.5 / 3.5, 3.5 / 5.5];
    const points = Float32Array.of(0, 1, 4, 6);
    const { mean, exact, rows, values } = silhouette({
      points,
      dimensions: 1,
      clusters: Uint8Array.of(0, 0, 1, 1),
      k: 2,
      seed: 1,
    });
    expect(exact).toBe(true);
    expect([...rows]).toEqual([0, 1, 2, 3]);
    for (const [row, value] of expected.entries()) expect(values[row]).toBeCloseTo(value, 6);
    expect(mean).toBeCloseTo(expected.reduce((sum, value) => sum + value) / 4, 12);
  });

  it('is negative for a point in the wrong cluster, and takes the nearest of several others', () => {
    // By hand: point 5 is labelled with 0: a = 5, b = min(|5 - 6|, |5 - 20|) = 1, s = -4/5.
    const input = {
      points: Float32Array.of(0, 5, 6, 20),
      dimensions: 1,
      clusters: Uint8Array.of(0, 0, 1, 2),
      k: 3,
      seed: 1,
    };
    expect(silhouette(input).values[1]).toBeCloseTo(-0.8, 6);
  });

  it('is 0 for a point alone, for one cluster only, for identical points, and for none', () => {
    const judge = (points: number[], clusters: number[]) =>
      silhouette({
        points: Float32Array.from(points),
        dimensions: 1,
        clusters: Uint8Array.from(clusters),
        k: 2,
        seed: 1,
      });
    // By hand: 0 and 1 have a = 1 and b = 9 and 8, the third is alone.
    expect(judge([0, 1, 9], [0, 0, 1]).mean).toBeCloseTo((8 / 9 + 7 / 8) / 3, 7);
    expect(judge([0, 1, 9], [0, 0, 1]).values[2]).toBe(0);
    expect(judge([1, 2, 3], [0, 0, 0]).mean).toBe(0);
    expect(judge([4, 4, 4, 4], [0, 0, 1, 1]).mean).toBe(0);
    expect(judge([], []).mean).toBe(0);
  });

  it.each([0.5, 2, 6])(
    'is known from a sample to within 0.04 where groups are %f deviations apart',
    (gap) => {
      const { points, clusters } = groups(3000, gap);
      const input = { points, clusters, dimensions: 2, k: 2 };
      const whole = silhouette({ ...input, seed: 1, pointsMax: 3000 });
      expect(whole.exact).toBe(true);
      for (const seed of [1, 2, 3]) {
        const sampled = silhouette({ ...input, seed });
        expect(sampled.exact).toBe(false);
        expect(sampled.rows.length).toBeLessThanOrEqual(1024);
        expect(Math.abs(sampled.mean - whole.mean)).toBeLessThan(0.04);
      }
    },
  );

  it('repeats its sample by its seed', () => {
    const { points, clusters } = groups(1500, 2);
    const input = { points, clusters, dimensions: 2, k: 2, pointsMax: 100 };
    expect(silhouette({ ...input, seed: 4 })).toEqual(silhouette({ ...input, seed: 4 }));
    expect(silhouette({ ...input, seed: 4 }).rows).not.toEqual(silhouette({ ...input, seed: 5 }).rows);
  });
});
