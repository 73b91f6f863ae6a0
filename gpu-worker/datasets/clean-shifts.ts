// Clean images as a camera or a client may change them: what a detector must not take for an attack.
import { assertShape } from '../../shared/assert.ts';
import { normal, type Random, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { jpegRoundTrip } from './sharp-jpeg.ts';

/** One kind of change with its strength. */
export type CleanShift =
  /** Standard deviation, in units of the image. */
  | { readonly kind: 'gaussian-noise'; readonly deviation: number }
  /** Half width of the uniform distribution. */
  | { readonly kind: 'uniform-noise'; readonly width: number }
  /** Added to every pixel. */
  | { readonly kind: 'brightness'; readonly offset: number }
  /** Factor about the middle of the range. */
  | { readonly kind: 'contrast'; readonly factor: number }
  /** Degrees about the centre, bilinear, zeros outside. */
  | { readonly kind: 'rotation'; readonly degrees: number }
  /** Whole pixels, the edge repeated. */
  | { readonly kind: 'translation'; readonly dx: number; readonly dy: number }
  /** JPEG quality, 1 to 100. */
  | { readonly kind: 'jpeg'; readonly quality: number }
  /** Bits a channel. */
  | { readonly kind: 'bit-depth'; readonly bits: number }
  /** Share of pixels set to the lowest or highest value. */
  | { readonly kind: 'salt-and-pepper'; readonly share: number };

/** Images to change. */
export interface ShiftedImages {
  /** Row-major [rows, channels, height, width], each in [0, 1]. */
  readonly inputs: Float32Array;
  readonly inputShape: readonly number[];
}

/** The shifts of a report, mild to strong; none of them changes what a person sees in the image. */
export const reportedShifts: readonly CleanShift[] = [
  { kind: 'gaussian-noise', deviation: 0.02 },
  { kind: 'gaussian-noise', deviation: 0.05 },
  { kind: 'uniform-noise', width: 0.05 },
  { kind: 'brightness', offset: 0.1 },
  { kind: 'brightness', offset: -0.1 },
  { kind: 'contrast', factor: 0.8 },
  { kind: 'rotation', degrees: 5 },
  { kind: 'rotation', degrees: -10 },
  { kind: 'translation', dx: 1, dy: 0 },
  { kind: 'translation', dx: 2, dy: 0 },
  { kind: 'jpeg', quality: 80 },
  { kind: 'jpeg', quality: 50 },
  { kind: 'bit-depth', bits: 4 },
  { kind: 'salt-and-pepper', share: 0.01 },
];

/** How a report names a shift, such as `jpeg 50` or `translation 1,0`. */
export function shiftName({ kind, ...strength }: CleanShift): string {
  return `${kind} ${Object.values(strength).join(',')}`;
}

/**
 * Applies one shift to every image.
 * @param seed of the random kinds
 * @returns row-major like the inputs, clipped to [0, 1]
 * @throws Error where the images are not [rows, channels, height, width]
 */
export async function shiftImages(
  { inputs, inputShape }: ShiftedImages,
  shift: CleanShift,
  seed: number,
): Promise<Float32Array> {
  const size = elementCount(inputShape);
  const shifted = new Float32Array(inputs.length);
  const random = seededRandom(seed);
  for (let start = 0; start < inputs.length; start += size) {
    const image = inputs.subarray(start, start + size);
    shifted.set(await shiftImage(image, { inputShape, shift, random }), start);
  }
  return shifted;
}

/**
 * Applies to each image a shift drawn at random, as a detector is trained on: all kinds of {@link reportedShifts} but
 * salt and pepper, which stays unseen, at strengths drawn from a range.
 */
export async function shiftImagesAtRandom(images: ShiftedImages, seed: number): Promise<Float32Array> {
  const size = elementCount(images.inputShape);
  const random = seededRandom(seed);
  const shifted = new Float32Array(images.inputs.length);
  for (let start = 0; start < shifted.length; start += size) {
    const image = images.inputs.subarray(start, start + size);
    const shift = drawShift(random);
    shifted.set(await shiftImage(image, { inputShape: images.inputShape, shift, random }), start);
  }
  return shifted;
}

function drawShift(random: Random): CleanShift {
  const between = (low: number, high: number) => low + (high - low) * random();
  const sign = () => (random() < 0.5 ? -1 : 1);
  const draws: readonly (() => CleanShift)[] = [
    () => ({ kind: 'gaussian-noise', deviation: between(0.005, 0.08) }),
    () => ({ kind: 'uniform-noise', width: between(0.01, 0.1) }),
    () => ({ kind: 'brightness', offset: sign() * between(0.02, 0.15) }),
    () => ({ kind: 'contrast', factor: between(0.7, 1.3) }),
    () => ({ kind: 'rotation', degrees: sign() * between(2, 12) }),
    () =>
      random() < 0.5
        ? { kind: 'translation', dx: sign(), dy: 0 }
        : { kind: 'translation', dx: 0, dy: sign() },
    () => ({ kind: 'jpeg', quality: Math.round(between(35, 95)) }),
    () => ({ kind: 'bit-depth', bits: Math.round(between(3, 6)) }),
  ];
  return draws[Math.floor(random() * draws.length)]();
}

async function shiftImage(
  image: Float32Array,
  { inputShape, shift, random }: { inputShape: readonly number[]; shift: CleanShift; random: Random },
): Promise<Float32Array> {
  assertShape(inputShape, [3], 'shape of an image');
  const clipped = (change: (value: number) => number) =>
    image.map((value) => Math.min(1, Math.max(0, change(value))));
  switch (shift.kind) {
    case 'gaussian-noise':
      return clipped((value) => value + shift.deviation * normal(random));
    case 'uniform-noise':
      return clipped((value) => value + shift.width * (2 * random() - 1));
    case 'brightness':
      return clipped((value) => value + shift.offset);
    case 'contrast':
      return clipped((value) => 0.5 + shift.factor * (value - 0.5));
    case 'bit-depth': {
      const levels = 2 ** shift.bits - 1;
      return clipped((value) => Math.round(value * levels) / levels);
    }
    case 'salt-and-pepper':
      return saltAndPepper(image, inputShape, { share: shift.share, random });
    case 'rotation':
      return resample(image, inputShape, rotation(inputShape, shift.degrees));
    case 'translation':
      return translate(image, inputShape, shift);
    case 'jpeg':
      return jpegRoundTrip(image, inputShape, shift.quality);
  }
}

function saltAndPepper(
  image: Float32Array,
  [channels, height, width]: readonly number[],
  { share, random }: { share: number; random: Random },
): Float32Array {
  const changed = image.slice();
  for (let pixel = 0; pixel < height * width; pixel++) {
    if (random() >= share) continue;
    const value = random() < 0.5 ? 0 : 1;
    for (let channel = 0; channel < channels; channel++) changed[channel * height * width + pixel] = value;
  }
  return changed;
}

function translate(
  image: Float32Array,
  [channels, height, width]: readonly number[],
  { dx, dy }: { dx: number; dy: number },
): Float32Array {
  const within = (position: number, extent: number) => Math.min(extent - 1, Math.max(0, position));
  return image.map((_, index) => {
    const x = within((index % width) - dx, width);
    const y = within((Math.floor(index / width) % height) - dy, height);
    const channel = Math.floor(index / (width * height)) % channels;
    return image[(channel * height + y) * width + x];
  });
}

/** Where a rotated image takes the pixel (x, y) from. */
function rotation(
  [, height, width]: readonly number[],
  degrees: number,
): (x: number, y: number) => [number, number] {
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  return (x, y) => [
    middleX + cos * (x - middleX) + sin * (y - middleY),
    middleY - sin * (x - middleX) + cos * (y - middleY),
  ];
}

/** Bilinear sampling with zeros outside the image. */
function resample(
  image: Float32Array,
  [, height, width]: readonly number[],
  source: (x: number, y: number) => [number, number],
): Float32Array {
  return image.map((_, index) => {
    const [x, y] = source(index % width, Math.floor(index / width) % height);
    const plane = Math.floor(index / (width * height)) * width * height;
    const [left, top] = [Math.floor(x), Math.floor(y)];
    let value = 0;
    for (const [column, row] of [
      [left, top],
      [left + 1, top],
      [left, top + 1],
      [left + 1, top + 1],
    ]) {
      if (column < 0 || row < 0 || column >= width || row >= height) continue;
      value += (1 - Math.abs(x - column)) * (1 - Math.abs(y - row)) * image[plane + row * width + column];
    }
    return value;
  });
}
