import { describe, expect, it } from 'vitest';
import { rocPoints, tprInterval, wilsonInterval } from '../../../gpu-worker/evaluate/roc.ts';
import { tprAtFpr } from '../../../shared/maths/auroc.ts';
import { normal, type Random, seededRandom } from '../../../shared/maths/random.ts';

function normals(random: Random, count: number, mean: number): Float64Array {
  return Float64Array.from({ length: count }, () => mean + normal(random));
}

function area(points: readonly (readonly [number, number])[]): number {
  return points
    .slice(1)
    .reduce((sum, [fpr, tpr], index) => sum + ((fpr - points[index][0]) * (tpr + points[index][1])) / 2, 0);
}

describe('the points of a ROC curve', () => {
  it('are those of every threshold where there are few scores', () => {
    // By hand: over 2 lies 3; over 1 lie 3 and 2, and of the clean scores 2.
    expect(rocPoints({ positives: [3, 2, 0], negatives: [1, 2] })).toEqual([
      [0, 0],
      [0, 1 / 3],
      [0.5, 2 / 3],
      [1, 1],
    ]);
    expect(rocPoints({ positives: [1], negatives: [0] })).toEqual([
      [0, 0],
      [0, 1],
      [1, 1],
    ]);
  });

  it('go from corner to corner in one step where all scores tie', () => {
    expect(rocPoints({ positives: [5, 5], negatives: [5, 5, 5] })).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  it('are at most 64, never fall, and keep the area', () => {
    const random = seededRandom(1);
    const points = rocPoints({
      positives: normals(random, 5000, 1.5),
      negatives: normals(random, 5000, 0),
    });
    expect(points.length).toBeLessThanOrEqual(64);
    expect(points.length).toBeGreaterThan(55);
    for (const [index, [fpr, tpr]] of points.slice(1).entries()) {
      expect(fpr).toBeGreaterThanOrEqual(points[index][0]);
      expect(tpr).toBeGreaterThanOrEqual(points[index][1]);
    }
    expect(points.filter(([fpr]) => fpr <= 0.05).length).toBeGreaterThan(10);
    // Two normals a distance d apart have the area Phi(d / sqrt 2): 0.8556 for 1.5 (Hanley and McNeil 1982).
    expect(area(points)).toBeCloseTo(0.8556, 2);
  });

  it('take infinite scores and refuse NaN and empty sets', () => {
    expect(rocPoints({ positives: [Infinity, -Infinity], negatives: [0, -Infinity] })).toEqual([
      [0, 0],
      [0, 0.5],
      [0.5, 0.5],
      [1, 1],
    ]);
    expect(() => rocPoints({ positives: [Number.NaN], negatives: [0] })).toThrow(/not a number/);
    expect(() => rocPoints({ positives: [0], negatives: [0, Number.NaN] })).toThrow(/not a number/);
    expect(() => rocPoints({ positives: [], negatives: [0] })).toThrow(/both classes/);
  });
});

describe('Wilson intervals', () => {
  it('are those of the literature', () => {
    // Newcombe 1998, table I, method 3: 81 of 263 and 0 of 20.
    const [low, high] = wilsonInterval(81 / 263, 263);
    expect([low, high]).toEqual([expect.closeTo(0.2553, 4), expect.closeTo(0.3662, 4)]);
    expect(wilsonInterval(0, 20)).toEqual([0, expect.closeTo(0.1611, 4)]);
    expect(wilsonInterval(1, 20)).toEqual([expect.closeTo(0.8389, 4), 1]);
  });
});

describe('the interval of a true positive rate', () => {
  it('is what resampling both sets gives', () => {
    const random = seededRandom(2);
    const positives = normals(random, 200, 2);
    const negatives = normals(random, 300, 0);
    const resample = (scores: Float64Array) => scores.map(() => scores[Math.floor(random() * scores.length)]);
    const rates = Float64Array.from({ length: 4000 }, () =>
      tprAtFpr(resample(positives), resample(negatives), 0.05),
    ).sort();
    const [low, high] = tprInterval({ positives, negatives }, 0.05);
    // A quantile of 4,000 resamples of 200 examples is known to about one example.
    expect(Math.abs(low - rates[100])).toBeLessThan(0.011);
    expect(Math.abs(high - rates[3899])).toBeLessThan(0.011);
    expect(high - low).toBeGreaterThan(0.1);
  });

  it('covers the true rate about as often as it promises', () => {
    // The rate at 5 % of normals 2 apart is Phi(2 - 1.6449) = 0.6388.
    const random = seededRandom(3);
    let covered = 0;
    for (let run = 0; run < 200; run++) {
      const scores = { positives: normals(random, 150, 2), negatives: normals(random, 150, 0) };
      const [low, high] = tprInterval(scores, 0.05);
      if (low <= 0.6388 && 0.6388 <= high) covered++;
    }
    // Six standard errors of 200 draws at 95 % are 0.09.
    expect(covered / 200).toBeGreaterThan(0.86);
  });

  it('is Wilson’s where all examples are caught or none is', () => {
    const negatives = Float64Array.from({ length: 100 }, (_, index) => index);
    const high = new Float64Array(20).fill(1000);
    expect(tprInterval({ positives: high, negatives }, 0.01)).toEqual([expect.closeTo(0.8389, 4), 1]);
    const low = new Float64Array(20).fill(-1000);
    expect(tprInterval({ positives: low, negatives }, 0.01)).toEqual([0, expect.closeTo(0.1611, 4)]);
  });

  it('takes one score of each class, and refuses NaN, empty sets and a rate of 1', () => {
    const [low, high] = tprInterval({ positives: [1], negatives: [0] }, 0.05);
    expect([low, high]).toEqual([expect.closeTo(0.2065, 4), 1]);
    expect(() => tprInterval({ positives: [Number.NaN], negatives: [0] }, 0.05)).toThrow(/not a number/);
    expect(() => tprInterval({ positives: [], negatives: [0] }, 0.05)).toThrow(/both classes/);
    expect(() => tprInterval({ positives: [1], negatives: [0] }, 1)).toThrow(/lies in/);
  });
});
