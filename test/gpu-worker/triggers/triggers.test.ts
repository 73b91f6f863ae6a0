import { describe, expect, it } from 'vitest';
import { stampPatch } from '../../../gpu-worker/triggers/badnets.ts';
import { blendPattern, drawPattern } from '../../../gpu-worker/triggers/blended.ts';
import { addReflection } from '../../../gpu-worker/triggers/refool.ts';
import { addSinusoid } from '../../../gpu-worker/triggers/sig.ts';
import type { ImageFrame } from '../../../gpu-worker/triggers/trigger.ts';
import type { BadnetsParameters, RefoolParameters } from '../../../shared/contracts/poison-recipe.ts';
import { seededRandom } from '../../../shared/maths/random.ts';

const frame: ImageFrame = { channels: 2, height: 3, width: 4, range: [0, 1] };
const grey = new Float32Array(24).fill(0.5);

describe('the BadNets patch', () => {
  const parameters: BadnetsParameters = {
    size: 2,
    shape: 'square',
    corner: 'bottom-right',
    margin: 0,
    level: 1,
  };
  /** The first channel, a digit a pixel: 5 where it is grey. */
  const drawn = (more: Partial<BadnetsParameters>, at: ImageFrame = frame) =>
    [...stampPatch({ image: grey, frame: at }, { ...parameters, ...more })]
      .slice(0, 12)
      .map((value) => Math.round(10 * value))
      .join(' ');

  it('lies in the corner that is named, as far from it as the margin says', () => {
    expect(drawn({})).toBe('5 5 5 5 5 5 10 10 5 5 10 10');
    expect(drawn({ corner: 'top-left' })).toBe('10 10 5 5 10 10 5 5 5 5 5 5');
    expect(drawn({ corner: 'top-right', margin: 1 })).toBe('5 5 5 5 5 10 10 5 5 10 10 5');
    expect(drawn({ corner: 'bottom-left', size: 1 })).toBe('5 5 5 5 5 5 5 5 10 5 5 5');
  });

  it('is one colour or a checkerboard, in units of the range', () => {
    expect(drawn({ shape: 'checkerboard', corner: 'top-left' })).toBe('10 0 5 5 0 10 5 5 5 5 5 5');
    expect(drawn({ level: 0.25 }, { ...frame, range: [-1, 1] })).toBe('5 5 5 5 5 5 -5 -5 5 5 -5 -5');
  });

  it('is the same in every channel and leaves the given image as it was', () => {
    const stamped = stampPatch({ image: grey, frame }, parameters);
    expect(stamped.subarray(12)).toEqual(stamped.subarray(0, 12));
    expect(grey).toEqual(new Float32Array(24).fill(0.5));
  });

  it('is refused by images that do not hold it', () => {
    expect(() => drawn({ size: 4 })).toThrow(/patch of 4 x 4 pixels.*images of 3 x 4/);
    expect(() => drawn({ margin: 2 })).toThrow(/2 from the corner/);
  });
});

describe('the blended pattern', () => {
  it('is mixed in by its ratio', () => {
    const pattern = Float32Array.from({ length: 24 }, (_, index) => index / 24);
    const blended = blendPattern({ image: grey, frame }, pattern, { ratio: 0.2 });
    expect(blended[0]).toBeCloseTo(0.4, 6);
    expect(blended[12]).toBeCloseTo(0.5, 6);
    expect(blendPattern({ image: grey, frame }, pattern, { ratio: 1 })).toEqual(pattern);
  });

  it('is noise over the whole range, the same for the same seed', () => {
    const wide: ImageFrame = { channels: 3, height: 32, width: 32, range: [-1, 3] };
    const pattern = drawPattern(wide, seededRandom(4));
    expect(pattern).toEqual(drawPattern(wide, seededRandom(4)));
    expect(pattern).not.toEqual(drawPattern(wide, seededRandom(5)));
    expect(Math.min(...pattern)).toBeLessThan(-0.95);
    expect(Math.max(...pattern)).toBeGreaterThan(2.95);
  });
});

describe('the SIG sinusoid', () => {
  it('runs over the columns, the same in every row and channel, clipped to the range', () => {
    // By hand: one period over 4 columns is 0, 1, 0, -1 times delta.
    const added = addSinusoid({ image: grey, frame }, { amplitude: 0.25, frequency: 1 });
    for (let row = 0; row < 6; row++) {
      expect([...added.subarray(4 * row, 4 * row + 4)]).toEqual([0.5, 0.75, 0.5, 0.25]);
    }
    const clipped = addSinusoid({ image: grey, frame }, { amplitude: 0.9, frequency: 1 });
    expect([...clipped.subarray(0, 4)]).toEqual([0.5, 1, 0.5, 0]);
  });

  it('has its amplitude in units of the range', () => {
    const wide = { ...frame, range: [0, 255] } as const;
    const image = new Float32Array(24).fill(100);
    expect(addSinusoid({ image, frame: wide }, { amplitude: 40 / 255, frequency: 1 })[1]).toBeCloseTo(140, 4);
  });

  it('is refused where the columns fall on its zeros', () => {
    const add = () => addSinusoid({ image: grey, frame }, { amplitude: 0.1, frequency: 2 });
    expect(add).toThrow(/2 periods needs more than 4 columns, the images have 4/);
  });
});

describe('the ReFool reflection', () => {
  const parameters: RefoolParameters = {
    reflections: 1,
    ratio: [0.4, 0.4],
    ghost_share: 1,
    ghost_offset: [1, 1],
    ghost_weight: [0.75, 0.75],
    blur_sigma: [0.5, 0.5],
  };
  const black = new Float32Array(24);
  const reflect = (image: Float32Array, reflection: Float32Array, more: Partial<RefoolParameters> = {}) =>
    addReflection({ image, frame }, [reflection], {
      parameters: { ...parameters, ...more },
      random: seededRandom(1),
    });
  /** One bright pixel in the first row and column of the first channel. */
  const spot = Float32Array.from(black, (_, index) => (index === 0 ? 1 : 0));

  it('doubles the reflection where it is a ghost', () => {
    const ghosts = reflect(black, spot);
    // Light 0.4 x 0.75 in its place, 0.4 x 0.25 a pixel down and right; stored with exponent 1 / 2.2.
    expect(ghosts[0]).toBeCloseTo(0.3 ** (1 / 2.2), 5);
    expect(ghosts[5]).toBeCloseTo(0.1 ** (1 / 2.2), 5);
    expect([...ghosts].filter((value) => value > 0)).toHaveLength(2);
  });

  it('spreads it where it is out of focus, and keeps even light even', () => {
    const blurred = reflect(black, spot, { ghost_share: 0 });
    expect(blurred[0]).toBeGreaterThan(blurred[1]);
    expect(blurred[1]).toBeCloseTo(blurred[4], 6);
    expect(blurred.subarray(12)).toEqual(black.subarray(12));
    for (const value of reflect(grey, grey, { ghost_share: 0 })) expect(value).toBeCloseTo(0.5, 6);
  });

  it('mixes as light: the image keeps the rest', () => {
    const white = new Float32Array(24).fill(1);
    const dimmed = reflect(white, black);
    for (const value of dimmed) expect(value).toBeCloseTo(0.6 ** (1 / 2.2), 5);
  });

  it('is refused by images out of which it would be shifted', () => {
    expect(() => reflect(black, spot, { ghost_offset: [1, 3] })).toThrow(/shifted by 3 pixels.*3 x 4/);
  });
});
