// The ten digits as strokes of a pen.

/** A point of a plane whose y points down. */
export type Point = readonly [x: number, y: number];
/** Points that the pen goes through. */
export type Stroke = readonly Point[];

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

/** How many digits there are. */
export const digitCount = digits.length;

/** The strokes of a digit in a unit square. @param digit 0..9 */
export function digitStrokes(digit: number): readonly Stroke[] {
  return digits[digit]();
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
