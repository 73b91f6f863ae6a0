import { describe, expect, it } from 'vitest';
import { normal, permutation, seededRandom } from '../../../shared/maths/random.ts';

describe('seeded random numbers', () => {
  it('repeat for a seed and differ between seeds', () => {
    const draw = (seed: number) => Array.from({ length: 8 }, seededRandom(seed));
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
  });

  it('are uniform and normal to the third moment', () => {
    const random = seededRandom(1);
    const uniform = Array.from({ length: 20_000 }, random);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...uniform)).toBeLessThan(1);
    expect(uniform.reduce((sum, value) => sum + value, 0) / 20_000).toBeCloseTo(0.5, 1);
    const normals = Array.from({ length: 20_000 }, () => normal(random));
    const moment = (power: number) => normals.reduce((sum, value) => sum + value ** power, 0) / 20_000;
    // Standard errors are 0.007, 0.01 and 0.027: four of them on either side.
    expect(Math.abs(moment(1))).toBeLessThan(0.03);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.04);
    expect(Math.abs(moment(3))).toBeLessThan(0.11);
  });

  it('order every index once', () => {
    const order = permutation(100, seededRandom(3));
    expect([...order].sort((left, right) => left - right)).toEqual([...Array(100).keys()]);
    expect(permutation(0, seededRandom(3))).toHaveLength(0);
  });
});
