// The Square attack on one drawn image, from the answers of a model that is asked over the network and may refuse to answer.
import type { Random } from '../../../shared/maths/random.ts';
import { squareShare, squareStart, withSquare } from '../../../shared/maths/square-steps.ts';

/** How one image is attacked. */
export interface SquareAttack {
  /** Row-major [height, width], each in [0, 1]. */
  readonly image: Float32Array;
  readonly height: number;
  readonly width: number;
  /** Radius in the max norm, in units of the image. */
  readonly epsilon: number;
  /** Questions at most, at least 1. */
  readonly queries: number;
  readonly random: Random;
  /**
   * Asks the model: the logit of the right class less the greatest other one, or undefined where it refuses to answer.
   * Below 0 the model is misled.
   */
  readonly margin: (image: Float32Array) => Promise<number | undefined>;
  /** Told after each question; the attack ends where it gives false. */
  readonly onQuery?: (course: SquareCourse) => boolean;
}

/** How far an attack is. */
export interface SquareCourse {
  readonly queries: number;
  /** Questions that were refused. */
  readonly refused: number;
  /** Lowest margin so far; undefined where every question was refused. */
  readonly margin: number | undefined;
  /** The image of that margin; the last one that was tried where there is none. */
  readonly image: Float32Array;
}

/** Share of the image that the first squares cover, as in AutoAttack. */
const firstShare = 0.8;

/**
 * Starts from vertical stripes at ±epsilon and sets random squares to ±epsilon, keeping what lowers the margin.
 *
 * Deviation: a guarded model may refuse to answer. A refused question counts and what it asked is not kept; until the first
 * answer there is nothing to improve on, so that each question begins anew.
 * @returns the course at its end: with a margin below 0 the attack has succeeded
 * @see Andriushchenko, Croce, Flammarion and Hein, "Square attack: a query-efficient black-box adversarial attack via
 *   random search" (2020), algorithms 1 and 2
 */
export async function squareAttack(attack: SquareAttack): Promise<SquareCourse> {
  const { image, height, width, epsilon, queries, random } = attack;
  const shape = { channels: 1, height, width };
  const ends = [-1, 1].map((sign) => image.map((value) => Math.min(1, Math.max(0, value + sign * epsilon))));
  let course: SquareCourse = { queries: 0, refused: 0, margin: undefined, image };
  for (let query = 0; query < queries; query++) {
    const share = firstShare * squareShare(query / queries);
    const { margin: lowest } = course;
    const tried =
      lowest === undefined
        ? squareStart(ends, shape, random)
        : withSquare(course.image, { ends, image: shape, share, random });
    const margin = await attack.margin(tried);
    const isBetter = lowest === undefined || (margin !== undefined && margin < lowest);
    course = {
      queries: query + 1,
      refused: course.refused + (margin === undefined ? 1 : 0),
      ...(isBetter ? { margin, image: tried } : { margin: lowest, image: course.image }),
    };
    const goesOn = attack.onQuery?.(course) ?? true;
    if (!goesOn || (course.margin !== undefined && course.margin < 0)) break;
  }
  return course;
}
