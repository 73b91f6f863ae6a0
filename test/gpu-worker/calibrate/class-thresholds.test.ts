import { describe, expect, it } from 'vitest';
import { classSamplesNeeded, classThresholds } from '../../../gpu-worker/calibrate/class-thresholds.ts';
import { falsePositiveInterval } from '../../../gpu-worker/calibrate/false-positive-interval.ts';
import { conformalRank } from '../../../shared/detector/conformal-threshold.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

describe('thresholds by class', () => {
  it('need five inputs over the threshold on average', () => {
    expect([0.1, 0.05, 0.01].map(classSamplesNeeded)).toEqual([50, 100, 500]);
  });

  it.each([0.1, 0.05, 0.02, 0.01])('keep the rate of a class within about twice a target of %d', (target) => {
    const samples = classSamplesNeeded(target);
    const [, high] = falsePositiveInterval({ samples, rank: conformalRank(samples, target) });
    expect(high).toBeLessThan(2.1 * target);
  });

  it('are those of the classes that have enough, each from its own scores', () => {
    // Class 7: 100 scores 1..100, rank ceil(101 * 0.95) = 96. Class 2: 99 scores, one too few.
    const scores = Float64Array.from({ length: 199 }, (_, row) => (row < 100 ? row + 1 : 1000));
    const predicted = Int32Array.from({ length: 199 }, (_, row) => (row < 100 ? 7 : 2));
    const [own, ...others] = classThresholds({ scores, predicted }, 0.05);
    expect(others).toEqual([]);
    expect(own).toMatchObject({ class: 7, value: 96, calibration_samples: 100 });
    expect(own.fpr_ci95).toEqual(falsePositiveInterval({ samples: 100, rank: 96 }));
  });

  it('are none of no inputs, and rise by class', () => {
    expect(classThresholds({ scores: new Float64Array(0), predicted: new Int32Array(0) }, 0.05)).toEqual([]);
    const predicted = Int32Array.from({ length: 300 }, (_, row) => [9, 0, 4][row % 3]);
    const found = classThresholds({ scores: new Float64Array(300), predicted }, 0.05);
    expect(found.map((own) => own.class)).toEqual([0, 4, 9]);
  });

  it('give classes of unlike scores like rates, where one threshold for all does not', () => {
    const random = seededRandom(5);
    const draw = (count: number) => ({
      predicted: Int32Array.from({ length: count }, (_, row) => row % 2),
      scores: Float64Array.from({ length: count }, (_, row) => normal(random) + (row % 2 === 0 ? 0 : 3)),
    });
    const own = classThresholds(draw(4000), 0.05);
    const fresh = draw(20_000);
    for (const { class: class_, value } of own) {
      const scores = fresh.scores.filter((_, row) => fresh.predicted[row] === class_);
      const rate = scores.filter((score) => score > value).length / scores.length;
      // Four standard deviations of 2,000 calibration and 10,000 test draws at 5 %.
      expect(Math.abs(rate - 0.05)).toBeLessThan(4 * Math.sqrt(0.05 * 0.95 * (1 / 2000 + 1 / 10_000)));
    }
  });

  it('refuse labels that are not as many as the scores', () => {
    expect(() =>
      classThresholds({ scores: new Float64Array(3), predicted: new Int32Array(2) }, 0.05),
    ).toThrow(/predicted/);
  });
});
