// The steps of the Square attack: where it starts, what it tries, and how large its squares are.
import type { Random } from './random.ts';

/** An image as a tensor has it, row-major [channels, height, width]. */
export interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Queries of 10,000 after which the area of the squares is halved. */
const halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

/**
 * What is left of the first area when a share of the queries is spent.
 * @param spent in [0, 1]
 * @see Andriushchenko, Croce, Flammarion and Hein, "Square attack: a query-efficient black-box adversarial attack via
 *   random search" (2020), section 3.3
 */
export function squareShare(spent: number): number {
  return 0.5 ** halvings.filter((query) => spent * 10_000 > query).length;
}

/** The input less and plus epsilon, both in the valid range: what every element of an example is taken from. */
export type Ends = readonly Float32Array[];

/** The first example: each column of each channel at one of the ends. @see the paper, algorithm 2 and section 3.3 */
export function squareStart(
  ends: Ends,
  { channels, height, width }: ImageShape,
  random: Random,
): Float32Array {
  const example = new Float32Array(ends[0].length);
  for (let line = 0; line < channels * width; line++) {
    const [channel, column] = [Math.floor(line / width), line % width];
    const end = ends[random() < 0.5 ? 0 : 1];
    for (let row = 0; row < height; row++) {
      const index = (channel * height + row) * width + column;
      example[index] = end[index];
    }
  }
  return example;
}

/** A copy with one square at one end, for each channel its own; the place is drawn anew where it changes nothing. */
export function withSquare(
  best: Float32Array,
  { ends, image, share, random }: { ends: Ends; image: ImageShape; share: number; random: Random },
): Float32Array {
  const { channels, height, width } = image;
  const area = share * height * width;
  const tall = Math.min(height, Math.max(1, Math.round(Math.sqrt(area))));
  const wide = Math.min(width, Math.max(1, Math.round(area / tall)));
  const tried = best.slice();
  // Where the range leaves no second end, as epsilon 0 does, no place changes anything.
  for (let draw = 0; draw < 10; draw++) {
    const top = Math.floor(random() * (height - tall + 1));
    const left = Math.floor(random() * (width - wide + 1));
    let changed = false;
    for (let channel = 0; channel < channels; channel++) {
      const end = ends[random() < 0.5 ? 0 : 1];
      for (let row = top; row < top + tall; row++) {
        const start = (channel * height + row) * width + left;
        for (let index = start; index < start + wide; index++) {
          changed ||= tried[index] !== end[index];
          tried[index] = end[index];
        }
      }
    }
    if (changed) return tried;
  }
  return tried;
}
