// The Square attack in the max norm: random search with squares, from the model's scores alone.
import { type ImageShape, squareShare, squareStart, withSquare } from '../../shared/maths/square-steps.ts';
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
    let best = squareStart(ends, image, random);
    let margin = labelMargin(await logits(best), label);
    for (let query = 1; query < queries && margin >= 0; query++) {
      const share = firstShare * squareShare(query / queries);
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

function imageShape(inputShape: readonly number[]): ImageShape {
  const [height, width] = [inputShape.at(-2) ?? 1, inputShape.at(-1) ?? 1];
  return {
    channels: inputShape.slice(0, -2).reduce((product, extent) => product * extent, 1),
    height,
    width,
  };
}
