import { describe, expect, it } from 'vitest';
import {
  falsePositiveInterval,
  observedRateInterval,
} from '../../../gpu-worker/calibrate/false-positive-interval.ts';
import { conformalRank } from '../../../shared/detector/conformal-threshold.ts';

describe('interval of the false positive rate', () => {
  it('is the Beta interval of the conformal rank', () => {
    // Beta(50, 951) has mean 0.04995 and deviation 0.00689; its quantiles lie near mean ± 1.96 deviations.
    const [low, high] = falsePositiveInterval({ samples: 1000, rank: conformalRank(1000, 0.05) });
    expect(low).toBeCloseTo(0.0374, 3);
    expect(high).toBeCloseTo(0.0643, 3);
  });

  it('narrows with more samples', () => {
    const width = (samples: number) => {
      const [low, high] = falsePositiveInterval({ samples, rank: conformalRank(samples, 0.05) });
      return high - low;
    };
    expect(width(4000)).toBeLessThan(width(1000) / 1.8);
  });

  it('widens for what a finite test shows', () => {
    const calibration = { samples: 500, rank: conformalRank(500, 0.05) };
    const [low, high] = falsePositiveInterval(calibration);
    const [observedLow, observedHigh] = observedRateInterval(calibration, 1000);
    expect(observedLow).toBeLessThan(low);
    expect(observedHigh).toBeGreaterThan(high);
  });

  it('covers 95 % of simulated calibrations and tests', () => {
    // Scores are uniform, so the true rate of a threshold is 1 - threshold and a test draws a binomial.
    let state = 12345;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const calibration = { samples: 200, rank: conformalRank(200, 0.05) };
    const [low, high] = observedRateInterval(calibration, 200);
    let covered = 0;
    for (let trial = 0; trial < 1000; trial++) {
      const scores = Float64Array.from({ length: 200 }, random).sort();
      const rate = 1 - scores[calibration.rank - 1];
      let flagged = 0;
      for (let test = 0; test < 200; test++) if (random() < rate) flagged++;
      if (flagged / 200 >= low && flagged / 200 <= high) covered++;
    }
    expect(covered).toBeGreaterThan(935);
    expect(covered).toBeLessThan(990);
  });
});
