import { describe, expect, it } from 'vitest';
import { augmentInto } from '../../../gpu-worker/training/augment.ts';
import { seededRandom } from '../../../shared/maths/random.ts';

const inputShape = [2, 12, 12];
const image = Float32Array.from({ length: 2 * 144 }, (_, index) => index);

function augmented(augmentation: 'shift' | 'shift-mirror', random: () => number): Float32Array {
  const target = new Float32Array(image.length);
  augmentInto(target, image, { inputShape, augmentation, random });
  return target;
}

describe('augmentation', () => {
  it('leaves an image in its place where no shift is drawn', () => {
    expect(augmented('shift', () => 0.5)).toEqual(image);
  });

  it('shifts every channel alike and repeats the edge', () => {
    // The lowest draw is the largest shift up and left: 1 pixel of 12.
    const shifted = augmented('shift', () => 0);
    for (const channel of [0, 144]) {
      expect(shifted[channel]).toBe(image[channel + 13]);
      expect(shifted[channel + 143]).toBe(image[channel + 143]);
      expect(shifted[channel + 11]).toBe(image[channel + 23]);
    }
  });

  it('mirrors half of the images from left to right', () => {
    const draws = [0.5, 0.5, 0.4];
    const mirrored = augmented('shift-mirror', () => draws.shift() ?? 0.5);
    expect([...mirrored.subarray(0, 12)]).toEqual([...image.subarray(0, 12)].toReversed());
    const random = seededRandom(4);
    const firsts = Array.from({ length: 400 }, () => augmented('shift-mirror', random)[6 * 12]);
    const share = firsts.filter((value) => value % 12 > 6).length / firsts.length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
  });
});
