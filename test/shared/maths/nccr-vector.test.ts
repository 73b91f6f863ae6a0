import { describe, expect, it } from 'vitest';
import { argmax, logitMargin, nccrVector, nccrVectorLength } from '../../../shared/maths/nccr-vector.ts';

describe('NCCR vector', () => {
  // Ranks of (1, 4, 2) are class 1, 2, 0: gaps 2 and 3. In the copy they are 3 - 0 = 3 and 3 - 1 = 2.
  const logits = { values: Float32Array.of(1, 4, 2, 1, 3, 0), copies: 1, classes: 3 };

  it('is the logarithm of the change relative to each rank gap', () => {
    const [first, second] = nccrVector(logits, 'rank-gaps');
    expect(first).toBeCloseTo(Math.log(1 / 2.01 + 1e-4), 12);
    expect(second).toBeCloseTo(Math.log(1 / 3.01 + 1e-4), 12);
  });

  it('adds signed changes and the share of flipped labels in the strict design', () => {
    const vector = nccrVector(logits, 'strict');
    expect(vector).toHaveLength(5);
    expect(vector[2]).toBeCloseTo(Math.asinh(1 / 2.01), 12);
    expect(vector[3]).toBeCloseTo(Math.asinh(-1 / 3.01), 12);
    expect(vector[4]).toBe(0);
  });

  it('counts copies whose label flips', () => {
    const flipped = { values: Float32Array.of(2, 1, 1, 2, 2, 1), copies: 2, classes: 2 };
    expect(nccrVector(flipped, 'strict').at(-1)).toBe(0.5);
  });

  it('stays finite where ranks tie and where nothing changes', () => {
    const tied = { values: Float32Array.of(1, 1, 1, 1, 1, 1), copies: 1, classes: 3 };
    expect([...nccrVector(tied, 'strict')].every(Number.isFinite)).toBe(true);
  });

  it('reads the first ten ranks of many classes', () => {
    expect(nccrVectorLength('rank-gaps', 43)).toBe(9);
    expect(nccrVectorLength('strict', 43)).toBe(19);
    expect(nccrVectorLength('rank-gaps', 2)).toBe(1);
    const values = Float32Array.from({ length: 86 }, (_, index) => Math.sin(index));
    expect(nccrVector({ values, copies: 1, classes: 43 }, 'rank-gaps')).toHaveLength(9);
  });

  it('refuses a single class and a wrong shape', () => {
    expect(() => nccrVector({ values: Float32Array.of(1, 1), copies: 1, classes: 1 }, 'strict')).toThrow(
      /two classes/,
    );
    expect(() => nccrVector({ ...logits, copies: 2 }, 'rank-gaps')).toThrow(/shape/);
  });
});

describe('logit margin', () => {
  it('is the gap between the two highest logits, in any order', () => {
    expect(logitMargin(Float32Array.of(-1, 5, 3.5))).toBe(1.5);
    expect(logitMargin(Float32Array.of(7, 7))).toBe(0);
  });

  it('names the first of tied labels', () => {
    expect(argmax([1, 3, 3])).toBe(1);
  });
});
