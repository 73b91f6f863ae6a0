import { describe, expect, it } from 'vitest';
import { featureSqueezing, medianOfTwo, toBits } from '../../../gpu-worker/baselines/feature-squeezing.ts';
import { linearTarget } from './linear-target.ts';

describe('squeezers', () => {
  it('round to the values that so many bits can hold, over any range', () => {
    const squeezed = toBits(Float32Array.of(0, 0.16, 0.17, 0.6, 1), { bits: 2, range: [0, 1] });
    expect(squeezed).toEqual(Float32Array.of(0, 0, 1 / 3, 2 / 3, 1));
    expect(toBits(Float32Array.of(-1, -0.1, 0.1), { bits: 1, range: [-1, 1] })).toEqual(
      Float32Array.of(-1, -1, 1),
    );
  });

  it('take the median of 2 x 2 pixels as SciPy does', () => {
    // scipy.ndimage.median_filter(a, size=2), SciPy 1.17, of each plane by itself.
    const plane = Float32Array.of(9, 2, 3, 4, 7, 6, 1, 8, 5);
    expect([...medianOfTwo(plane, [3, 3])]).toEqual([9, 9, 3, 9, 7, 6, 4, 7, 7]);
    const two = Float32Array.of(0, 3, 6, 2, 5, 1, 4, 0);
    expect([...medianOfTwo(two, [2, 2, 2])]).toEqual([0, 3, 6, 3, 5, 5, 5, 4]);
  });
});

describe('feature squeezing', () => {
  const target = linearTarget([4, 0, 0, -4], { inputShape: [1, 2, 2], range: [0, 1] });

  it('scores the largest l1 distance that a squeezer moves the probabilities', async () => {
    // w . x is 4 (0.6 - 0.4) = 0.8; with one bit 4 (1 - 0) = 4; the medians of the corners are 0.6 and 0.5.
    const image = Float32Array.of(0.6, 0.5, 0.5, 0.4);
    const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
    const bits = { kind: 'bit-depth', bits: 1 } as const;
    const one = await featureSqueezing(target, image, [bits]);
    expect(one.scores[0]).toBeCloseTo(2 * (sigmoid(4) - sigmoid(0.8)), 5);
    expect(one.passesPerInput).toBe(2);
    const median = await featureSqueezing(target, image, [{ kind: 'median' }]);
    expect(median.scores[0]).toBeCloseTo(2 * (sigmoid(0.8) - sigmoid(0.4)), 5);
    const both = await featureSqueezing(target, image, [bits, { kind: 'median' }]);
    expect(both.scores[0]).toBe(one.scores[0]);
  });

  it('scores 0 where nothing is squeezed away', async () => {
    const flat = Float32Array.of(1, 1, 1, 1);
    const { scores } = await featureSqueezing(target, flat, [
      { kind: 'median' },
      { kind: 'bit-depth', bits: 1 },
    ]);
    expect([...scores]).toEqual([0]);
    expect((await featureSqueezing(target, new Float32Array(0), [{ kind: 'median' }])).scores).toHaveLength(
      0,
    );
  });

  it('is refused where the model reads no images', async () => {
    const audio = linearTarget([1, 1], { inputShape: [2], range: [-1, 1] });
    await expect(featureSqueezing(audio, Float32Array.of(0, 0), [{ kind: 'median' }])).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(/reads \[2\]/),
    });
  });
});
