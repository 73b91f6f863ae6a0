import { describe, expect, it } from 'vitest';
import type { Transform } from '../../../shared/contracts/transform.ts';
import { gaussianWeights, transformInput } from '../../../shared/maths/transforms.ts';

const image = [0, 1, 0.5, 0.2, 0.3, 0.9, 0.1, 0.7, 0.6, 0.4, 0.8, 0];

/** One plane of 3 x 4 pixels in the range [0, 1]. */
function copyOf(transform: Transform, values = image): Float32Array {
  const planes = { values: Float32Array.from(values), planes: 1, height: 3, width: 4 };
  return transformInput(planes, transform, [0, 1]);
}

function expectClose(found: Float32Array, expected: readonly number[]) {
  expect(found.length).toBe(expected.length);
  for (const [index, value] of expected.entries()) expect(found[index]).toBeCloseTo(value, 5);
}

describe('transformed inputs', () => {
  it('shift to the right and down, with zeros or the edge behind them', () => {
    expectClose(
      copyOf({ family: 'shift', dx: 1, dy: 0, edge: 'zeros' }),
      [0, 0, 1, 0.5, 0, 0.3, 0.9, 0.1, 0, 0.6, 0.4, 0.8],
    );
    expectClose(
      copyOf({ family: 'shift', dx: 0, dy: 1, edge: 'replicate' }),
      [0, 1, 0.5, 0.2, 0, 1, 0.5, 0.2, 0.3, 0.9, 0.1, 0.7],
    );
    expectClose(
      copyOf({ family: 'shift', dx: -3, dy: -1, edge: 'replicate' }),
      [0.7, 0.7, 0.7, 0.7, 0, 0, 0, 0, 0, 0, 0, 0],
    );
  });

  it('mirror left and right', () => {
    expectClose(copyOf({ family: 'mirror' }), [0.2, 0.5, 1, 0, 0.7, 0.1, 0.9, 0.3, 0, 0.8, 0.4, 0.6]);
  });

  it('lose total variation as much as the weight says', () => {
    // By an independent implementation in numpy, in double precision, with Chambolle's own boundary cases.
    expectClose(
      copyOf({ family: 'total-variation', weight: 0.3, iterations: 8 }),
      [
        0.362722, 0.518365, 0.473062, 0.436615, 0.460708, 0.50409, 0.45803, 0.433071, 0.491248, 0.489802,
        0.472579, 0.399708,
      ],
    );
    expectClose(
      copyOf({ family: 'total-variation', weight: 0.03, iterations: 8 }),
      [
        0.037817, 0.935783, 0.487129, 0.248834, 0.330358, 0.838149, 0.191708, 0.621011, 0.557943, 0.474491,
        0.716777, 0.06,
      ],
    );
  });

  it('blur under a normalised Gaussian, reflected at the edge', () => {
    // By scipy.ndimage.gaussian_filter, sigma 0.5, truncated to 5 pixels, mode "mirror".
    expectClose(
      copyOf({ family: 'blur', sigma: 0.5, size: 5 }),
      [
        0.259008, 0.820924, 0.463313, 0.329832, 0.418632, 0.729844, 0.323088, 0.496795, 0.52969, 0.525098,
        0.582043, 0.256133,
      ],
    );
  });

  it('keep few levels, a half going to the even one', () => {
    // By numpy.round: 0.5, 1.5 and 2.5 of 7 levels become 0, 2 and 2.
    const values = [0, 0.5, 0.5 / 7, 1.5 / 7, 2.5 / 7, 1, 0.4999, 0.49, 0.2, 0.8, 0.9, 0.95];
    expectClose(copyOf({ family: 'bit-depth', bits: 3 }, values).subarray(0, 6), [
      0,
      4 / 7,
      0,
      2 / 7,
      2 / 7,
      1,
    ]);
    expect([...copyOf({ family: 'bit-depth', bits: 1 }, values).subarray(0, 7)]).toEqual([
      0, 0, 0, 0, 0, 1, 0,
    ]);
  });

  it('take the median of a window', () => {
    // By scipy.ndimage.median_filter of sizes 3 and 2.
    expectClose(
      copyOf({ family: 'median', size: 3 }),
      [0.3, 0.5, 0.5, 0.2, 0.4, 0.5, 0.5, 0.2, 0.6, 0.6, 0.4, 0.1],
    );
    expectClose(
      copyOf({ family: 'median', size: 2 }),
      [0, 1, 1, 0.5, 0.3, 0.9, 0.9, 0.5, 0.6, 0.6, 0.8, 0.7],
    );
  });

  it('are clipped to the range', () => {
    expectClose(
      copyOf({ family: 'mirror' }, [-1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).subarray(0, 4),
      [1, 0, 1, 0],
    );
  });

  it('refuse a wrong shape', () => {
    const planes = { values: new Float32Array(11), planes: 1, height: 3, width: 4 };
    expect(() => transformInput(planes, { family: 'mirror' }, [0, 1])).toThrow(/11 elements/);
  });
});

describe('weights of a Gaussian', () => {
  it('sum to one and fall by the law', () => {
    const weights = gaussianWeights({ sigma: 0.5, size: 5 });
    expect(weights.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 12);
    expect(weights[3] / weights[2]).toBeCloseTo(Math.exp(-2), 12);
    expect(weights[0]).toBe(weights[4]);
  });
});
