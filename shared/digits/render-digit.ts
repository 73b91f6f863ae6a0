// Strokes of a pen rendered like MNIST: 28 x 28 pixels, a soft edge, centred by their mass.
import type { Point, Stroke } from './digit-strokes.ts';

/** Side of the image in pixels, and of the box that holds the ink: MNIST scales digits to 20 x 20 and centres their mass. */
export const side = 28;
const box = 20;

/**
 * Scales strokes so that their longer side fills the box, in pixels around 0. Strokes without extent, as of one dot, stay as large.
 */
export function scaleToBox(strokes: readonly Stroke[]): Stroke[] {
  const points = strokes.flat();
  const [left, right] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
  const [top, bottom] = [Math.min(...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))];
  // The pen is as wide as it is, so its edge would stand out of the box.
  const longer = Math.max(right - left, bottom - top);
  const scale = longer === 0 ? 1 : (box - 2.5) / longer;
  return strokes.map((stroke) =>
    stroke.map(([x, y]): Point => [(x - (left + right) / 2) * scale, (y - (top + bottom) / 2) * scale]),
  );
}

/**
 * Inks strokes with a pen of a soft edge, then shifts them so that their centre of mass is the middle.
 * @param strokes in pixels around 0, not empty
 * @returns [784] row-major, each in [0, 1]
 */
export function renderDigit(strokes: readonly Stroke[], penRadius: number): Float32Array {
  const centred = ink(strokes, penRadius, [side / 2, side / 2]);
  let [mass, x, y] = [0, 0, 0];
  for (const [index, value] of centred.entries()) {
    mass += value;
    x += value * ((index % side) + 0.5);
    y += value * (Math.floor(index / side) + 0.5);
  }
  return ink(strokes, penRadius, [side - x / mass, side - y / mass]);
}

/**
 * Inks strokes with a pen of a soft edge.
 * @param strokes in pixels around the origin
 * @param origin in pixels from the left and the top
 * @returns [784] row-major, each in [0, 1]
 */
export function ink(strokes: readonly Stroke[], penRadius: number, origin: Point): Float32Array {
  const image = new Float32Array(side * side);
  for (let index = 0; index < image.length; index++) {
    const point: Point = [(index % side) + 0.5 - origin[0], Math.floor(index / side) + 0.5 - origin[1]];
    let nearest = Number.POSITIVE_INFINITY;
    for (const stroke of strokes) {
      for (let end = 1; end < stroke.length; end++) {
        nearest = Math.min(nearest, segmentDistance(point, stroke[end - 1], stroke[end]));
      }
    }
    // MNIST's grey levels come from anti-aliasing: about one pixel from full ink to none.
    image[index] = Math.round(255 * Math.min(1, Math.max(0, penRadius + 0.5 - nearest))) / 255;
  }
  return image;
}

function segmentDistance([x, y]: Point, [x0, y0]: Point, [x1, y1]: Point): number {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
