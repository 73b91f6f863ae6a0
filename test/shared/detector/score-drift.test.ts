// The drift of clean scores: nothing is told where nothing has changed, at the stated rate, and what has changed is told.
import { describe, expect, it } from 'vitest';
import { cleanQuantiles, scoreDrift } from '../../../shared/detector/score-drift.ts';
import { seededRandom } from '../../../shared/maths/random.ts';

/** Standard normal numbers (Box and Muller). */
function normals(random: () => number, count: number, { shift = 0, scale = 1 } = {}): number[] {
  return Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    return shift + scale * radius * Math.cos(2 * Math.PI * random());
  });
}

/** Threshold of a target rate of 5 % on standard normal scores. */
const cut = 1.645;

/** Share of comparisons that exceed their bound, over fresh calibrations and fresh scores. */
function alarmRate(
  { samples, rows, runs }: { samples: number; rows: number; runs: number },
  change: { shift?: number; scale?: number } = {},
): number {
  const random = seededRandom(20_26);
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    const quantiles = cleanQuantiles(normals(random, samples));
    const drift = scoreDrift(normals(random, rows, change), { quantiles, samples, cut })!;
    if (drift.index > drift.bound) alarms++;
  }
  return alarms / runs;
}

describe('quantiles of clean scores', () => {
  it('are those of type 7: of 0 to 200 every second number', () => {
    const scores = Array.from({ length: 201 }, (_, index) => 200 - index);
    for (const [index, value] of cleanQuantiles(scores).entries()) expect(value).toBeCloseTo(2 * index, 9);
  });

  it('of one score are that score', () => {
    expect(new Set(cleanQuantiles([3]))).toEqual(new Set([3]));
  });
});

describe('scores that lie as those of the calibration', () => {
  it('fill ten bins of equal shares', () => {
    const scores = Array.from({ length: 1_001 }, (_, index) => index / 1_000);
    const drift = scoreDrift(scores, { quantiles: cleanQuantiles(scores), samples: 1_001, cut: 2 })!;
    expect(drift.bins).toHaveLength(10);
    for (const { share, expected } of drift.bins) {
      expect(expected).toBeCloseTo(0.1, 9);
      expect(share).toBeCloseTo(0.1, 2);
    }
    expect(drift.index).toBeLessThan(1e-4);
    expect(drift.rows).toBe(1_001);
  });

  it('are compared up to the cut alone, on both sides', () => {
    const scores = Array.from({ length: 1_001 }, (_, index) => index / 1_000);
    const attacks = Array.from({ length: 5_000 }, () => 0.95);
    const reference = { quantiles: cleanQuantiles(scores), samples: 1_001, cut: 0.9 };
    const drift = scoreDrift([...scores, ...attacks], reference)!;
    expect(drift.rows).toBe(901);
    expect(drift.index).toBeLessThan(1e-3);
  });

  // The stated rate is one in a thousand where the bound is that of chance; with more rows the least index of 0.1 rules.
  it.each([
    { samples: 200, rows: 100, runs: 2_000 },
    { samples: 200, rows: 1_000, runs: 2_000 },
    { samples: 3_000, rows: 200, runs: 1_000 },
    { samples: 3_000, rows: 1_000, runs: 500 },
  ])(
    'raise an alarm in at most 0.3 % of comparisons: %j',
    (sizes) => {
      const rate = alarmRate(sizes);
      console.log(`false alarms of ${JSON.stringify(sizes)}: ${100 * rate} %`);
      expect(rate).toBeLessThanOrEqual(0.003);
    },
    30_000,
  );
});

describe('scores that have moved', () => {
  it.each([
    [{ shift: 0.5 }, 0.95],
    [{ scale: 2 }, 0.95],
    [{ scale: 0.5 }, 0.95],
  ])('raise an alarm: %j of their deviation, 1,000 rows', (change, least) => {
    const rate = alarmRate({ samples: 3_000, rows: 1_000, runs: 100 }, change);
    console.log(`alarms under ${JSON.stringify(change)}: ${100 * rate} %`);
    expect(rate).toBeGreaterThanOrEqual(least);
  });
});

describe('odd scores', () => {
  it('that are few values many times are compared by those values', () => {
    const scores = [...Array.from({ length: 500 }, () => 0), ...Array.from({ length: 500 }, () => 1)];
    const reference = { quantiles: cleanQuantiles(scores), samples: 1_000, cut: 2 };
    // The jump between both values takes one of the hundred steps between quantiles.
    expect(scoreDrift(scores, reference)!.index).toBeLessThan(0.05);
    expect(
      scoreDrift(
        Array.from({ length: 500 }, () => 1),
        reference,
      )!.index,
    ).toBeGreaterThan(1);
  });

  it('that are one value compare to nothing or alike', () => {
    const reference = { quantiles: cleanQuantiles([1, 1]), samples: 2, cut: 1 };
    expect(scoreDrift([1, 1, 1], reference)!.index).toBeCloseTo(0);
  });

  it('beyond the cut or no numbers leave nothing to compare', () => {
    const reference = { quantiles: cleanQuantiles([1, 2, 3]), samples: 3, cut: 2 };
    expect(scoreDrift([5, Number.NaN], reference)).toBeUndefined();
    expect(scoreDrift([0], { ...reference, cut: 0 })).toBeUndefined();
  });
});
