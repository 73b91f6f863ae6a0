import { describe, expect, it } from 'vitest';
import { equalErrorRate } from '../../../shared/maths/equal-error-rate.ts';
import { fitPlda, pldaCoordinates, pldaScore } from '../../../shared/maths/plda.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

// Speakers differ along the first axis alone, with a variance of 9 where windows vary by 1; the second axis is loud within a speaker.
const random = seededRandom(2);
const speakers: number[] = [];
const rows: number[] = [];
for (let speaker = 0; speaker < 40; speaker++) {
  const own = 3 * normal(random);
  for (let window = 0; window < 30; window++) {
    speakers.push(speaker);
    rows.push(own + normal(random), 5 * normal(random), normal(random));
  }
}
const plda = fitPlda(Float32Array.from(rows), { dimensions: 3, speakers });

describe('two-covariance PLDA', () => {
  it('finds the axis along which speakers differ, and by how much', () => {
    const [first, second, third] = plda.between;
    // The covariance within is shrunk a tenth towards its mean variance of 9, so 9 becomes 9 / 1.8.
    expect(first).toBeGreaterThan(3.5);
    expect(first).toBeLessThan(7);
    expect(second).toBeLessThan(0.2);
    expect(third).toBeLessThan(0.2);
    const [far] = pldaCoordinates(plda, [plda.mean[0] + 3, plda.mean[1], plda.mean[2]]);
    const [near] = pldaCoordinates(plda, [plda.mean[0], plda.mean[1] + 3, plda.mean[2]]);
    expect(Math.abs(far)).toBeGreaterThan(10 * Math.abs(near));
  });

  it('scores by the ratio of the two densities', () => {
    // By hand, one axis, variance 4, one window at 2, test at 2: N(2; 1.6, 1.8) against N(2; 0, 5).
    const density = (x: number, mean: number, variance: number) =>
      Math.exp(-((x - mean) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);
    const between = Float64Array.of(4);
    const score = pldaScore({ between }, { enrolled: [2], windows: 1, test: [2] });
    expect(score).toBeCloseTo(Math.log(density(2, 1.6, 1.8) / density(2, 0, 5)), 12);
    const other = pldaScore({ between }, { enrolled: [2], windows: 1, test: [-2] });
    expect(other).toBeLessThan(0);
    // An axis without speakers in it says nothing.
    expect(pldaScore({ between: Float64Array.of(0) }, { enrolled: [2], windows: 3, test: [9] })).toBe(0);
  });

  it('refuses one speaker, windows that are all the same, and wrong shapes', () => {
    const fitted = (values: number[], who: number[]) =>
      fitPlda(Float32Array.from(values), { dimensions: 1, speakers: who });
    expect(() => fitted([1, 2], [0, 0])).toThrow(/two speakers/);
    expect(() => fitted([1, 1, 2, 2], [0, 0, 1, 1])).toThrow(/differ/);
    expect(() => fitted([1, 2, 3], [0, 1])).toThrow(/embeddings/);
  });
});

describe('the equal error rate', () => {
  it('is that of the threshold at which both errors meet', () => {
    // By hand: at 3 one of four targets is refused and one of four others accepted.
    expect(equalErrorRate([1, 3, 4, 5], [0, 1, 2, 3.5])).toEqual({ rate: 0.25, threshold: 3 });
    expect(equalErrorRate([3, 4], [1, 2]).rate).toBe(0);
    expect(equalErrorRate([1, 2], [3, 4]).rate).toBe(1);
    expect(equalErrorRate([1, 1], [1, 1]).rate).toBe(0.5);
    expect(() => equalErrorRate([], [1])).toThrow(/both kinds/);
    expect(() => equalErrorRate([Number.NaN], [1])).toThrow(/not a number/);
  });
});
