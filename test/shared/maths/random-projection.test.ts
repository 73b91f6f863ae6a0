// Random projection: the same directions each time, and lengths that all but stay.
import { describe, expect, it } from 'vitest';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { projectionSigns } from '../../../shared/maths/random-projection.ts';

const [inputs, outputs] = [2_048, 512];

describe('a random projection', () => {
  const signs = projectionSigns({ inputs, outputs });

  it('is of two values of one size, half of them negative, and the same each time', () => {
    const size = Math.fround(1 / Math.sqrt(outputs));
    expect(new Set(signs)).toEqual(new Set([size, -size]));
    const negative = signs.filter((value) => value < 0).length;
    // Five deviations of the binomial distribution of a million coins.
    expect(Math.abs(negative - signs.length / 2)).toBeLessThan(5 * Math.sqrt(signs.length / 4));
    expect(projectionSigns({ inputs, outputs })).toEqual(signs);
  });

  it('keeps distances within the deviation that theory gives', () => {
    const random = seededRandom(7);
    for (let trial = 0; trial < 20; trial++) {
      const vector = Float64Array.from({ length: inputs }, () => normal(random));
      const projected = new Float64Array(outputs);
      for (let row = 0; row < inputs; row++) {
        for (let column = 0; column < outputs; column++) {
          projected[column] += vector[row] * signs[row * outputs + column];
        }
      }
      const square = (values: Float64Array) => values.reduce((sum, value) => sum + value * value, 0);
      expect(Math.abs(square(projected) / square(vector) - 1)).toBeLessThan(4 * Math.sqrt(2 / outputs));
    }
  });

  it('is refused onto as many numbers or more', () => {
    expect(() => projectionSigns({ inputs: 512, outputs: 512 })).toThrow(/fewer/);
  });
});
