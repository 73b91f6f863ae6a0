// BadNets: a small patch of fixed pixels near a corner.
import { assertShape } from '../../shared/assert.ts';
import type { BadnetsParameters } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import type { FramedImage, ImageFrame } from './trigger.ts';

/**
 * Sets the patch's pixels, the same in every channel.
 * @param image [channels, height, width]; not changed
 * @returns [channels, height, width]; every pixel outside the patch as it was
 * @throws GuardError `invalid_dataset` where the image does not hold the patch
 * @see Gu, Dolan-Gavitt and Garg, "BadNets: identifying vulnerabilities in the machine learning model supply chain", 2017:
 *   the single-pixel and pattern backdoors on digits, the square on traffic signs
 */
export function stampPatch({ image, frame }: FramedImage, parameters: BadnetsParameters): Float32Array {
  const { channels, height, width, range } = frame;
  assertShape(image, [channels, height, width], 'image');
  checkPatch(frame, parameters);
  const { size, shape, corner, margin, level } = parameters;
  const top = corner.startsWith('top') ? margin : height - margin - size;
  const left = corner.endsWith('left') ? margin : width - margin - size;
  const [low, high] = range;
  const stamped = image.slice();
  for (let channel = 0; channel < channels; channel++) {
    for (let down = 0; down < size; down++) {
      for (let right = 0; right < size; right++) {
        const opposite = shape === 'checkerboard' && (down + right) % 2 === 1;
        const share = opposite ? 1 - level : level;
        stamped[(channel * height + top + down) * width + left + right] = low + share * (high - low);
      }
    }
  }
  return stamped;
}

/**
 * Refuses images that do not hold the patch.
 * @throws GuardError `invalid_dataset`
 */
export function checkPatch(
  { height, width }: ImageFrame,
  { size, margin }: Pick<BadnetsParameters, 'size' | 'margin'>,
): void {
  if (size + margin <= Math.min(height, width)) return;
  throw new GuardError(
    'invalid_dataset',
    `a patch of ${size} x ${size} pixels, ${margin} from the corner, does not fit into images of ${height} x ${width}`,
  );
}
