import { describe, expect, it } from 'vitest';
import { extractionPlanSchema, planCopies, planNoiseCopies } from '../../../shared/contracts/extraction.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';

const noise = [
  { family: 'gaussian', epsilon: 0.3, rows: 8, copies: 3 },
  { family: 'uniform', epsilon: 0.6, rows: 4, copies: 2 },
];
const planOf = (parts: object) => ({ input_range: [0, 1], noise: [], taps: [], ...parts });

describe('extraction plan', () => {
  it('has no transforms where it says nothing of them', () => {
    const plan = extractionPlanSchema.parse(planOf({ noise }));
    expect(plan).toMatchObject({ transforms: [] });
    expect([planNoiseCopies(plan), planCopies(plan)]).toEqual([5, 5]);
  });

  it('counts a copy a transform, beside noise and without it', () => {
    const transforms = transformPresets['w0-grey'];
    const plan = extractionPlanSchema.parse(planOf({ noise, transforms }));
    expect([planNoiseCopies(plan), planCopies(plan)]).toEqual([5, 10]);
    const alone = extractionPlanSchema.parse(planOf({ transforms }));
    expect([planNoiseCopies(alone), planCopies(alone)]).toEqual([0, 5]);
  });

  it('takes the presets as they are', () => {
    for (const transforms of Object.values(transformPresets)) {
      expect(extractionPlanSchema.parse(planOf({ transforms })).transforms).toEqual(transforms);
    }
  });

  const refused: [string, object][] = [
    ['no copies at all', {}],
    [
      'more copies than there may be',
      { transforms: Array.from({ length: 65 }, () => ({ family: 'mirror' })) },
    ],
    ['an unknown family', { transforms: [{ family: 'twirl' }] }],
    ['an unknown setting', { transforms: [{ family: 'mirror', axis: 1 }] }],
    ['a shift by nothing', { transforms: [{ family: 'shift', dx: 0, dy: 0, edge: 'zeros' }] }],
    ['a shift by half a pixel', { transforms: [{ family: 'shift', dx: 0.5, dy: 0, edge: 'zeros' }] }],
    ['a shift by nine pixels', { transforms: [{ family: 'shift', dx: 9, dy: 0, edge: 'zeros' }] }],
    ['a weight of 0', { transforms: [{ family: 'total-variation', weight: 0, iterations: 8 }] }],
    ['65 iterations', { transforms: [{ family: 'total-variation', weight: 0.1, iterations: 65 }] }],
    ['a window of an even side', { transforms: [{ family: 'blur', sigma: 0.5, size: 4 }] }],
    ['a window of 17 pixels', { transforms: [{ family: 'blur', sigma: 0.5, size: 17 }] }],
    ['a sigma that blurs nothing', { transforms: [{ family: 'blur', sigma: 0.1, size: 5 }] }],
    ['a sigma that is no number', { transforms: [{ family: 'blur', sigma: Number.NaN, size: 5 }] }],
    ['no bits', { transforms: [{ family: 'bit-depth', bits: 0 }] }],
    ['nine bits', { transforms: [{ family: 'bit-depth', bits: 9 }] }],
    [
      'units under a transform that is not there',
      {
        transforms: [{ family: 'mirror' }],
        taps: [{ kind: 'units', tensor: 'a', transform: 1, units: 2 }],
      },
    ],
    [
      'more units than there may be',
      {
        transforms: [{ family: 'mirror' }],
        taps: ['a', 'b'].map((tensor) => ({ kind: 'units', tensor, transform: 0, units: 5000 })),
      },
    ],
    ['a median of five pixels', { transforms: [{ family: 'median', size: 5 }] }],
  ];
  it.each(refused)('refuses %s', (_name, parts) => {
    expect(extractionPlanSchema.safeParse(planOf(parts)).success).toBe(false);
  });
});
