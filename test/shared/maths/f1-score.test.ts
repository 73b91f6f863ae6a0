import { describe, expect, it } from 'vitest';
import { f1Score } from '../../../shared/maths/f1-score.ts';

describe('F1', () => {
  it('is the harmonic mean of precision and recall', () => {
    // By hand: precision 3/4, recall 3/6, 2 / (4/3 + 2) = 0.6.
    expect(f1Score({ hits: 3, found: 4, planted: 6 })).toBeCloseTo(0.6, 12);
    expect(f1Score({ hits: 5, found: 5, planted: 5 })).toBe(1);
  });

  it('is 0 where all is missed or all that is found is wrong, and nothing where there is nothing', () => {
    expect(f1Score({ hits: 0, found: 0, planted: 3 })).toBe(0);
    expect(f1Score({ hits: 0, found: 2, planted: 0 })).toBe(0);
    expect(f1Score({ hits: 0, found: 0, planted: 0 })).toBeNull();
  });
});
