import { describe, expect, it } from 'vitest';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { rowThreshold } from '../../../shared/detector/row-threshold.ts';

const interval: [number, number] = [0, 1];
const own = (class_: number, value: number) => ({
  class: class_,
  value,
  fpr_ci95: interval,
  calibration_samples: 100,
});

describe('the threshold of a row', () => {
  it('is that of its predicted class, also where it is 0 or under the common one', () => {
    const threshold = { value: 2, per_class: [own(0, -1), own(3, 0)] };
    expect([0, 1, 2, 3].map((label) => rowThreshold(threshold, label))).toEqual([-1, 2, 2, 0]);
  });

  it('is the common one where no class has its own', () => {
    expect(rowThreshold({ value: 2 }, 5)).toBe(2);
  });

  it.each([
    ['a class twice', [own(1, 0), own(1, 1)]],
    ['classes that fall', [own(2, 0), own(1, 1)]],
    ['an empty list', []],
  ])('is not read from an artefact with %s', (_, perClass) => {
    const threshold = { value: 0, target_fpr: 0.05, fpr_ci95: interval, calibration_samples: 200 };
    const { shape } = detectorArtefactSchema;
    expect(shape.threshold.safeParse({ ...threshold, per_class: [own(1, 0), own(2, 1)] }).success).toBe(true);
    expect(shape.threshold.safeParse({ ...threshold, per_class: perClass }).success).toBe(false);
  });
});
