// The trigger check on Gaussians that can be worked out by hand, and what does not fit together.
import { describe, expect, it } from 'vitest';
import type { Tap } from '../../../shared/contracts/extraction.ts';
import { packGaussian } from '../../../shared/detector/activation-gaussian.ts';
import {
  activationColumns,
  exceedsTrigger,
  loadTriggerCheck,
  triggerScore,
} from '../../../shared/detector/trigger-check.ts';

// By hand: the first axis is doubled, the second left alone; classes around (0, 0), (1, 0) and (0, 5).
const activations = packGaussian({
  classes: 3,
  neurons: 2,
  means: Float32Array.of(0, 0, 1, 0, 0, 5),
  whitening: Float32Array.of(2, 0, 0, 1),
});
const threshold = {
  value: 5,
  target_fpr: 0.05,
  fpr_ci95: [0.02, 0.09] as [number, number],
  calibration_samples: 200,
};
const layer: Tap = { kind: 'layer', tensor: 'conv' };
const tap: Tap = { kind: 'activations', tensor: 'penult', neurons: 2 };
const model = { classes: 3 };

describe('triggerScore', () => {
  it('is the squared distance from the class that the model names', () => {
    const check = loadTriggerCheck({ plan: { taps: [tap] }, model }, { activations, threshold });
    const changes = Float32Array.of(1, 1);
    const scoreOf = (...logits: number[]) =>
      triggerScore(check, { logits: Float32Array.from(logits), changes });
    expect(scoreOf(9, 0, 0)).toEqual({ score: 5, threshold: 5 });
    expect(scoreOf(0, 9, 0)).toEqual({ score: 1, threshold: 5 });
    expect(scoreOf(0, 0, 9)).toEqual({ score: 20, threshold: 5 });
  });

  it('reads the activations from among the columns of other taps', () => {
    // A layer gives two columns, its change and its base.
    const plan = { taps: [layer, tap, layer] };
    expect(activationColumns(plan)).toEqual({ first: 2, count: 2, all: 6 });
    const check = loadTriggerCheck({ plan, model }, { activations, threshold });
    const logits = Float32Array.of(9, 0, 0);
    const changes = Float32Array.of(7, 7, 1, 1, 7, 7);
    expect(triggerScore(check, { logits, changes }).score).toBe(5);
    expect(() => triggerScore(check, { logits, changes: changes.subarray(2) })).toThrow(/changes/);
  });
});

describe('loadTriggerCheck', () => {
  it.each([
    ['a plan that taps no activations', [layer], /reads 2 activations, the plan taps none/],
    ['a plan that taps others', [{ ...tap, neurons: 3 }], /reads 2 activations, the plan taps 3/],
  ])('refuses %s', (_, taps: Tap[], message) => {
    expect(() => loadTriggerCheck({ plan: { taps }, model }, { activations, threshold })).toThrow(message);
  });

  it('refuses Gaussians of another number of classes', () => {
    const plan = { taps: [tap] };
    expect(() => loadTriggerCheck({ plan, model: { classes: 4 } }, { activations, threshold })).toThrow(
      /sizes/,
    );
  });
});

describe('exceedsTrigger', () => {
  it('passes up to the threshold, never what is no number, and all where there is no check', () => {
    expect(exceedsTrigger({ score: 5, threshold: 5 })).toBe(false);
    expect(exceedsTrigger({ score: 5.1, threshold: 5 })).toBe(true);
    expect(exceedsTrigger({ score: Number.NaN, threshold: 5 })).toBe(true);
    expect(exceedsTrigger(undefined)).toBe(false);
  });
});
