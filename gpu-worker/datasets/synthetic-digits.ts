// Digits drawn by strokes and rendered like MNIST, so that demo and tests need nobody's images.
import { assert } from '../../shared/assert.ts';
import { normal, seededRandom } from '../../shared/maths/random.ts';
import type { Dataset } from './dataset.ts';

type Point = readonly [x: number, y: number];
type Stroke = readonly Point[];

/** Side of the image in pixels, and of the box that holds the ink: MNIST scales digits to 20 x 20 and centres their mass. */
const side = 28;
const box = 20;

/** Strokes of each digit in a unit square, y downwards. */
const digits: readonly (() => readonly Stroke[])[] = [
  () => [arc({ centre: [0.5, 0.5], radius: [0.33, 0.5], from: -90, to: 270 })],
  () => [
    [
      [0.35, 0.18],
      [0.55, 0],
      [0.55, 1],
    ],
  ],
  () => [
    [...arc({ centre: [0.48, 0.27], radius: [0.34, 0.27], from: 200, to: 380 }), [0.72, 0.5], [0.15, 0.98]],
    [
      [0.15, 0.98],
      [0.9, 0.96],
    ],
  ],
  () => [
    arc({ centre: [0.45, 0.26], radius: [0.33, 0.26], from: 210, to: 450 }),
    arc({ centre: [0.45, 0.75], radius: [0.38, 0.25], from: -90, to: 150 }),
  ],
  () => [
    [
      [0.3, 0],
      [0.08, 0.58],
      [0.92, 0.55],
    ],
    [
      [0.72, 0.12],
      [0.66, 1],
    ],
  ],
  () => [
    [
      [0.82, 0.02],
      [0.28, 0.04],
      [0.22, 0.45],
    ],
    arc({ centre: [0.44, 0.7], radius: [0.38, 0.29], from: -130, to: 145 }),
  ],
  () => [
    [
      [0.62, 0],
      [0.32, 0.32],
      [0.2, 0.68],
    ],
    arc({ centre: [0.48, 0.73], radius: [0.29, 0.27], from: 180, to: 540 }),
  ],
  () => [
    [
      [0.1, 0.04],
      [0.88, 0.02],
      [0.42, 1],
    ],
  ],
  () => [
    arc({ centre: [0.5, 0.25], radius: [0.27, 0.25], from: 90, to: 450 }),
    arc({ centre: [0.5, 0.74], radius: [0.32, 0.26], from: -90, to: 270 }),
  ],
  () => [
    arc({ centre: [0.5, 0.28], radius: [0.3, 0.28], from: 0, to: 360 }),
    [
      [0.8, 0.28],
      [0.72, 0.65],
      [0.6, 1],
    ],
  ],
];

/**
 * Draws one digit: jittered strokes, a pen with a soft edge, scaled to a 20 x 20 box and centred by its mass in 28 x 28.
 * @param label 0..9
 * @param seed equal seeds give equal images
 * @returns [784] row-major, each in [0, 1]
 */
export function drawDigit(label: number, seed: number): Float32Array {
  assert(Number.isInteger(label) && label >= 0 && label < digits.length, `no strokes for ${label}`);
  const random = seededRandom(seed * 16 + label);
  const slant = 0.12 + 0.08 * normal(random);
  const turn = 0.06 * normal(random);
  const stretch = 0.9 + 0.12 * random();
  const wobble = () => 0.018 * normal(random);
  const strokes = digits[label]().map((stroke) =>
    stroke.map(([x, y]): Point => {
      const [dx, dy] = [(x - 0.5) * stretch + slant * (0.5 - y) + wobble(), y - 0.5 + wobble()];
      return [dx * Math.cos(turn) - dy * Math.sin(turn), dx * Math.sin(turn) + dy * Math.cos(turn)];
    }),
  );
  return render(scaleToBox(strokes), 1.15 + 0.3 * random());
}

/**
 * Draws a data set of digits, labels in turn.
 * @param count number of images
 * @returns inputs [count, 1, 28, 28] in [0, 1]
 */
export function drawDigits(count: number, seed: number): Dataset {
  const inputs = new Float32Array(count * side * side);
  const labels = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    labels[index] = index % digits.length;
    inputs.set(drawDigit(labels[index], seed + index), index * side * side);
  }
  return { name: `synthetic-digits/${seed}`, inputs, inputShape: [1, side, side], labels };
}

/** Points on an ellipse, degrees clockwise from the right because y points down. */
function arc(ellipse: { centre: Point; radius: Point; from: number; to: number }): Point[] {
  const { centre, radius, from, to } = ellipse;
  const steps = Math.ceil(Math.abs(to - from) / 12);
  return Array.from({ length: steps + 1 }, (_, step): Point => {
    const angle = ((from + ((to - from) * step) / steps) * Math.PI) / 180;
    return [centre[0] + radius[0] * Math.cos(angle), centre[1] + radius[1] * Math.sin(angle)];
  });
}

/** Scales strokes so that their longer side fills the box, in pixels around 0. */
function scaleToBox(strokes: readonly Stroke[]): Stroke[] {
  const points = strokes.flat();
  const [left, right] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
  const [top, bottom] = [Math.min(...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))];
  // The pen is as wide as it is, so its edge would stand out of the box.
  const scale = (box - 2.5) / Math.max(right - left, bottom - top);
  return strokes.map((stroke) =>
    stroke.map(([x, y]): Point => [(x - (left + right) / 2) * scale, (y - (top + bottom) / 2) * scale]),
  );
}

/** Inks the strokes with a pen of a soft edge, then shifts the image so that its centre of mass is the middle. */
function render(strokes: readonly Stroke[], penRadius: number): Float32Array {
  const centred = ink(strokes, penRadius, [side / 2, side / 2]);
  let [mass, x, y] = [0, 0, 0];
  for (const [index, value] of centred.entries()) {
    mass += value;
    x += value * ((index % side) + 0.5);
    y += value * (Math.floor(index / side) + 0.5);
  }
  return ink(strokes, penRadius, [side - x / mass, side - y / mass]);
}

function ink(strokes: readonly Stroke[], penRadius: number, origin: Point): Float32Array {
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
