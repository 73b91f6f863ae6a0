// Which classes a report pictures: every poisoned one, and of the others those that come closest to it.
import type { ClassVerdict } from '../contracts/screening.ts';
import type { ClassPicture } from '../contracts/screening-report.ts';
import { picturePointsMax, picturesMax } from '../limits.ts';
import { thinPicture } from './class-picture.ts';

interface HungPicture {
  readonly picture: ClassPicture;
  readonly evidence: number;
}

/** Pictures that are kept while the classes come; its memory is bounded but for the poisoned classes'. */
export interface PictureGallery {
  readonly poisoned: HungPicture[];
  /** Most evidence first, at most `picturesMax`. */
  readonly others: HungPicture[];
}

/** A gallery without a picture. */
export function emptyGallery(): PictureGallery {
  return { poisoned: [], others: [] };
}

/**
 * Hangs a class's picture, or leaves it out where others matter more. The order in which classes come does not matter.
 * @param picture of `classPicture`, undefined where the class was not judged
 */
export function addPicture(
  { poisoned, others }: PictureGallery,
  verdict: ClassVerdict,
  picture: ClassPicture | undefined,
): void {
  if (picture === undefined || verdict.verdict === 'too_small') return;
  const hung = { picture, evidence: verdict.evidence };
  if (verdict.verdict === 'poisoned') {
    poisoned.push(hung);
    return;
  }
  others.push(hung);
  others.sort((left, right) => right.evidence - left.evidence || left.picture.label - right.picture.label);
  others.length = Math.min(others.length, picturesMax);
}

/**
 * The pictures of a report by ascending label: all poisoned classes, then others up to `picturesMax` in all, with at most
 * `picturePointsMax` points over all of them.
 */
export function chosenPictures({ poisoned, others }: PictureGallery): ClassPicture[] {
  const chosen = [...poisoned, ...others.slice(0, Math.max(0, picturesMax - poisoned.length))];
  const pointsMax = Math.floor(picturePointsMax / Math.max(1, chosen.length));
  return chosen
    .map(({ picture }) => thinPicture(picture, pointsMax))
    .sort((left, right) => left.label - right.label);
}
