// Spectral signatures beside a worked example and a singular vector found by another way.
import { describe, expect, it } from 'vitest';
import { spectralScores, suspectSpectra } from '../../../gpu-worker/baselines/spectral-signatures.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

describe('spectralScores', () => {
  it('scores a worked example', () => {
    // By hand: class 0 lies on a line of slope 1 around (2, 2); its distances along it are -2, -1, 0, 3 times the square root of 2.
    const activations = Float32Array.of(0, 0, 1, 1, 2, 2, 5, 5, 9, 9);
    const set = { activations, neurons: 2, labels: [0, 0, 0, 0, 1], classes: 3 };
    const scores = [...spectralScores(set)];
    for (const [row, expected] of [8, 2, 0, 18, 0].entries()) expect(scores[row]).toBeCloseTo(expected, 5);
  });

  it('agrees with power iteration on the centred matrix', () => {
    const [rows, neurons] = [60, 7];
    const random = seededRandom(8);
    const activations = Float32Array.from(
      { length: rows * neurons },
      (_, index) => (1 + (index % neurons)) * normal(random) + 3,
    );
    const labels = new Int32Array(rows).fill(1);
    const scores = spectralScores({ activations, neurons, labels, classes: 3 });
    const means = Array.from({ length: neurons }, (_, index) => {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += activations[row * neurons + index];
      return sum / rows;
    });
    const centred = Array.from({ length: rows }, (_, row) =>
      means.map((mean, index) => activations[row * neurons + index] - mean),
    );
    let vector = means.map(() => 1);
    const along = (row: readonly number[]) =>
      row.reduce((sum, value, index) => sum + value * vector[index], 0);
    for (let step = 0; step < 2000; step++) {
      const weights = centred.map(along);
      const next = means.map((_, index) =>
        centred.reduce((sum, row, at) => sum + weights[at] * row[index], 0),
      );
      const length = Math.hypot(...next);
      vector = next.map((value) => value / length);
    }
    for (const [row, values] of centred.entries()) {
      const expected = along(values) ** 2;
      expect(Math.abs(scores[row] - expected)).toBeLessThan(1e-4 * Math.max(1, expected));
    }
  });

  it('refuses no examples', () => {
    const set = { activations: new Float32Array(), neurons: 2, labels: [], classes: 3 };
    expect(() => spectralScores(set)).toThrow('no examples');
  });
});

describe('suspectSpectra', () => {
  const random = seededRandom(2);
  const labels = Array.from({ length: 120 }, (_, row) => (row < 100 ? 0 : 1));
  const activations = Float32Array.from(
    { length: 120 * 3 },
    (_, index) => normal(random) + (index < 30 ? 15 : 0),
  );
  const set = { activations, neurons: 3, labels, classes: 3 };

  it('removes 1.5 times the share from each class, the highest scores first', () => {
    const { rows, labels: flagged } = suspectSpectra(set, { share: 0.1 });
    expect(flagged).toBeUndefined();
    expect(rows.filter((row) => row < 100)).toHaveLength(15);
    expect(rows.filter((row) => row >= 100)).toHaveLength(3);
    // The ten shifted rows are a tenth of class 0 and lie furthest from its mean.
    expect([...rows.subarray(0, 10)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('removes nothing where nothing may be poison, and at most all', () => {
    expect(suspectSpectra(set, { share: 0 }).rows).toHaveLength(0);
    expect(suspectSpectra(set, { share: 1 }).rows).toHaveLength(120);
  });
});
