// The Square attack in the max norm: random search with squares, from the model's scores alone.
import type { Random } from '../../shared/maths/random.ts';
import { type AttackExamples, type AttackInputs, clipTo, labelMargin, type Progress } from './attack.ts';
import { type AttackedRow, attackEach, rowRandom } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the attack. */
export interface SquareOptions {
  /** Radius in the max norm, in units of the input. */
  readonly epsilon: number;
  /** Questions to the model at most. */
  readonly queries?: number;
  /** Share of the image that the first squares cover. */
  readonly firstShare?: number;
  readonly seed: number;
  readonly onProgress?: Progress | undefined;
}

/**
 * Starts from vertical stripes at ±epsilon and sets random squares to ±epsilon, keeping what lowers the margin.
 *
 * The last two extents of the input's shape are taken for height and width, those before them for channels.
 * @returns the example of each row; rows still right after all queries have no success
 * @see Andriushchenko, Croce, Flammarion and Hein, "Square attack: a query-efficient black-box adversarial attack via
 *   random search" (2020), algorithms 1 and 2, section 3.3 (schedule); the first share of 0.8 is AutoAttack's
 */
export function square(
  target: AttackTarget,
  attacked: AttackInputs,
  { epsilon, queries = 1000, firstShare = 0.8, seed, onProgress }: SquareOptions,
): Promise<AttackExamples> {
  const image = imageShape(target.inputShape);
  const attack = async ({ row, input, label, logits, progress }: AttackedRow) => {
    const random = rowRandom(seed, row);
    const ends = ([-1, 1] as const).map((sign) =>
      input.map((value) => clipTo(target.range, value + sign * epsilon)),
    );
    let best = stripes(ends, image, random);
    let margin = labelMargin(await logits(best), label);
    for (let query = 1; query < queries && margin >= 0; query++) {
      const share = firstShare * shareLeft(query / queries);
      const tried = withSquare(best, { ends, image, share, random });
      const lowered = labelMargin(await logits(tried), label);
      if (lowered < margin) {
        best = tried;
        margin = lowered;
      }
      progress(query / queries);
    }
    return best;
  };
  return attackEach(target, attacked, { attack, onProgress });
}

interface ImageShape {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

function imageShape(inputShape: readonly number[]): ImageShape {
  const [height, width] = [inputShape.at(-2) ?? 1, inputShape.at(-1) ?? 1];
  return {
    channels: inputShape.slice(0, -2).reduce((product, extent) => product * extent, 1),
    height,
    width,
  };
}

/** Queries of 10,000 after which the area of the squares is halved (section 3.3). */
const halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

/** What is left of the first area when a share of the queries is spent. */
function shareLeft(spent: number): number {
  return 0.5 ** halvings.filter((query) => spent * 10_000 > query).length;
}

/** The input less and plus epsilon, both in the valid range: what every element of an example is taken from. */
type Ends = readonly Float32Array[];

/** Each column of each channel at one of the ends. */
function stripes(ends: Ends, { channels, height, width }: ImageShape, random: Random): Float32Array {
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
function withSquare(
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
