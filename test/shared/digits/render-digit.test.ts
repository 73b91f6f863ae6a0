// Strokes of a pen as pixels: what a board can hold, a dot and a line at its edge among it.
import { describe, expect, it } from 'vitest';
import { digitCount, digitStrokes } from '../../../shared/digits/digit-strokes.ts';
import { ink, renderDigit, scaleToBox, side } from '../../../shared/digits/render-digit.ts';

/** Centre of mass, in pixels. */
function centreOf(image: Float32Array): [number, number] {
  let [mass, x, y] = [0, 0, 0];
  for (const [index, value] of image.entries()) {
    mass += value;
    x += value * ((index % side) + 0.5);
    y += value * (Math.floor(index / side) + 0.5);
  }
  return [x / mass, y / mass];
}

describe('a drawn digit', () => {
  it('is centred by its mass, wherever it was drawn and however large', () => {
    const strokes = [
      [
        [3, 25],
        [5, 27],
        [5.5, 27],
      ] as const,
    ];
    const image = renderDigit(scaleToBox(strokes), 1.3);
    const [x, y] = centreOf(image);
    expect(Math.abs(x - side / 2)).toBeLessThan(0.2);
    expect(Math.abs(y - side / 2)).toBeLessThan(0.2);
    // The box of MNIST's digits is 20 pixels wide.
    const columns = new Set(
      [...image.entries()].filter(([, value]) => value > 0).map(([index]) => index % side),
    );
    expect(columns.size).toBeGreaterThan(16);
    expect(columns.size).toBeLessThanOrEqual(22);
  });

  it('may be a dot: it stays one', () => {
    const image = renderDigit(
      scaleToBox([
        [
          [20, 4],
          [20, 4],
        ],
      ]),
      1.3,
    );
    const inked = image.filter((value) => value > 0).length;
    expect(inked).toBeGreaterThan(3);
    expect(inked).toBeLessThan(17);
  });

  it('is black where nothing was drawn', () => {
    expect(ink([], 1.3, [0, 0]).every((value) => value === 0)).toBe(true);
  });

  it('has strokes for every digit', () => {
    for (let digit = 0; digit < digitCount; digit++) {
      const image = renderDigit(scaleToBox(digitStrokes(digit)), 1.3);
      expect(image.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(image.filter((value) => value > 0.5).length).toBeGreaterThan(20);
    }
  });
});
