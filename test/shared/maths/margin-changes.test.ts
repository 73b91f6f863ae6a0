import { describe, expect, it } from 'vitest';
import { marginChanges } from '../../../shared/maths/margin-changes.ts';

describe('vector of margin changes', () => {
  it('is the change of the margin, of the softmax, and the margin itself, for each copy', () => {
    // Label 1 with margin 2 over class 2; in the first copy 1 over class 0, in the second -3 under class 2.
    const values = Float32Array.of(1, 4, 2, 3, 4, 0, 0, 1, 4);
    const softmax = (...logits: number[]) => {
      const powers = logits.map(Math.exp);
      return powers.map((power) => power / powers.reduce((sum, other) => sum + other));
    };
    const before = softmax(1, 4, 2);
    const distance = (after: number[]) =>
      after.reduce((sum, value, index) => sum + Math.abs(value - before[index]), 0);
    const expected = [
      Math.asinh(-1 / 2.05),
      Math.log(distance(softmax(3, 4, 0)) + 1e-4),
      Math.asinh(1),
      Math.asinh(-5 / 2.05),
      Math.log(distance(softmax(0, 1, 4)) + 1e-4),
      Math.asinh(-3),
    ];
    const vector = marginChanges({ values, copies: 2, classes: 3 });
    expect(vector).toHaveLength(6);
    for (const [index, value] of expected.entries()) expect(vector[index]).toBeCloseTo(value, 12);
  });

  it('takes the first of tied labels, whose margin is 0', () => {
    const vector = marginChanges({ values: Float32Array.of(2, 2, 1, 1, 3, 0), copies: 1, classes: 3 });
    expect(vector[0]).toBeCloseTo(Math.asinh(-2 / 0.05), 12);
    expect(vector[2]).toBeCloseTo(Math.asinh(-2), 12);
  });

  it('of an input that no transform changes is the same for every copy, and finite', () => {
    const row = [5, 5, 5];
    const vector = marginChanges({ values: Float32Array.of(...row, ...row, ...row), copies: 2, classes: 3 });
    expect([...vector]).toEqual([0, Math.log(1e-4), 0, 0, Math.log(1e-4), 0]);
  });

  it('stays finite for logits whose exponentials are not', () => {
    const vector = marginChanges({ values: Float32Array.of(1e4, -1e4, -2e4, 3e4), copies: 1, classes: 2 });
    expect([...vector].every(Number.isFinite)).toBe(true);
    // The softmax went from one class to the other.
    expect(vector[1]).toBeCloseTo(Math.log(2 + 1e-4), 12);
  });

  it('refuses no copies, one class and a wrong shape', () => {
    const two = Float32Array.of(1, 2);
    expect(() => marginChanges({ values: two, copies: 0, classes: 2 })).toThrow(/a copy and two classes/);
    expect(() => marginChanges({ values: two, copies: 1, classes: 1 })).toThrow(/a copy and two classes/);
    expect(() => marginChanges({ values: two, copies: 1, classes: 2 })).toThrow(/shape/);
  });
});
