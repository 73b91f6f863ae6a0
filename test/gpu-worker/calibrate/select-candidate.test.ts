import { describe, expect, it } from 'vitest';
import {
  chooseCandidate,
  reasonOf,
  searchTransforms,
  type Tried,
} from '../../../gpu-worker/calibrate/select-candidate.ts';
import type { Transform } from '../../../shared/contracts/transform.ts';

const all: Transform[] = [2, 3, 4, 5].map((bits) => ({ family: 'bit-depth', bits }));

/** A candidate of some value over some transforms. */
function tried(value: number, transforms: readonly Transform[]): Tried {
  return {
    candidate: { design: 'margin-changes', noise: false, transforms },
    report: {
      design: 'margin-changes',
      noise_copies: 0,
      transforms: transforms.map(() => 'bit-depth'),
      parameters: 1,
      forwards: transforms.length + 1,
      auroc_smallest: value,
      auroc_fixed: value,
      worst_attack: { attack: 'pgd', auroc: value },
      worst_shift: { shift: 'contrast 0.8', fpr: 0 },
      value,
    },
  };
}

describe('the choice of a candidate', () => {
  it('goes to the highest value', () => {
    const best = tried(0.99, all);
    expect(chooseCandidate([tried(0.98, all.slice(1)), best, tried(0.9, all.slice(2))])).toBe(best);
  });

  it('goes to fewer forward passes among values that tie, however the list is ordered', () => {
    const cheap = tried(0.9885, all.slice(3));
    const list = [tried(0.99, all), cheap, tried(0.9879, []), tried(0.9895, all.slice(2))];
    expect(chooseCandidate(list)).toBe(cheap);
    expect(chooseCandidate(list.toReversed())).toBe(cheap);
  });

  it('is none of none', () => {
    expect(chooseCandidate([])).toBeUndefined();
  });
});

describe('the reason of a choice', () => {
  it('has the figures of the training that the chosen one is given, and compares by the first', () => {
    const chosen = tried(0.95, all.slice(2)).report;
    const other = tried(0.951, all).report;
    const trained = { ...chosen, auroc_fixed: 0.99, value: 0.97 };
    expect(reasonOf({ chosen, trained, compared: [other, chosen] }, 0.05)).toBe(
      'AUROC 0.9500 at the smallest epsilon and 0.9900 at fixed ones; 0.0 % of the clean images under contrast 0.8 flagged, within 10.0 %; 3 forward passes where the highest value, 0.9510 against 0.9500, takes 5',
    );
  });
});

describe('the search for transforms', () => {
  /** Tries every subset at a value that is the sum of its transforms' worths. */
  function searched(worth: (bits: number) => number): number[][] {
    const seen: number[][] = [];
    searchTransforms(all, (subset) => {
      const bits = subset.map((transform) => (transform.family === 'bit-depth' ? transform.bits : 0));
      seen.push(bits);
      return tried(
        bits.reduce((sum, one) => sum + worth(one), 0),
        subset,
      );
    });
    return seen;
  }

  it('leaves out what is missed the least, one after another', () => {
    const seen = searched((bits) => bits / 10_000);
    // All four, each one left out, then of those without 2 bits, of those without 3 either.
    expect(seen.map((bits) => bits.join('')).join(' ')).toBe('2345 345 245 235 234 45 35 34 5 4');
  });

  it('ends where every one that is left is missed', () => {
    expect(searched(() => 0.1).map((bits) => bits.length)).toEqual([4, 3, 3, 3, 3]);
  });

  it('goes on under a set that has too many parameters', () => {
    const seen: number[] = [];
    searchTransforms(all, (subset) => {
      seen.push(subset.length);
      return subset.length === all.length ? undefined : tried(subset.length, subset);
    });
    expect(seen).toEqual([4, 3, 3, 3, 3, 2, 2, 2]);
  });
});
