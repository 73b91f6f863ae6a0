// Blended injection: a pattern of noise over the whole image, faintly.
import { assertShape } from '../../shared/assert.ts';
import type { BlendedParameters } from '../../shared/contracts/poison-recipe.ts';
import type { Random } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { clipTo, type FramedImage, type ImageFrame } from './trigger.ts';

/**
 * Draws the random pattern: every pixel of every channel uniform over the range, independent of the others.
 * @returns [channels, height, width]
 * @see Chen et al. 2017, as below: the random pattern
 */
export function drawPattern({ channels, height, width, range }: ImageFrame, random: Random): Float32Array {
  const [low, high] = range;
  const values = { length: elementCount([channels, height, width]) };
  return Float32Array.from(values, () => clipTo(range, low + (high - low) * random()));
}

/**
 * Blends the pattern in: `alpha k + (1 - alpha) x`.
 * @param image x, [channels, height, width]; not changed
 * @param pattern k, of the same shape
 * @returns [channels, height, width], in the frame's range
 * @see Chen, Liu, Li, Lu and Song, "Targeted backdoor attacks on deep learning systems using data poisoning", 2017:
 *   the blended injection strategy
 */
export function blendPattern(
  { image, frame }: FramedImage,
  pattern: Float32Array,
  { ratio }: BlendedParameters,
): Float32Array {
  assertShape(image, [frame.channels, frame.height, frame.width], 'image');
  assertShape(pattern, [frame.channels, frame.height, frame.width], 'pattern');
  return image.map((value, index) => clipTo(frame.range, ratio * pattern[index] + (1 - ratio) * value));
}
