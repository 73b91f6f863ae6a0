// Training images moved about, so that a network does not learn where its pixels stand.
import { assertShape } from '../../shared/assert.ts';
import type { Random } from '../../shared/maths/random.ts';

/** Every kind of augmentation; `shift-mirror` is for things that look alike from both sides, as digits and signs do not. */
export const augmentations = ['shift', 'shift-mirror'] as const;

/** One of {@link augmentations}. */
export type Augmentation = (typeof augmentations)[number];

/** Share of the side by which an image is shifted at most: 3 pixels of 32, 2 of 28. */
const shiftShare = 0.09;

/**
 * Copies an image, shifted by whole pixels along each axis with its edge repeated, and mirrored half of the times.
 * @param image row-major [channels, height, width]
 * @param target of the same length
 */
export function augmentInto(
  target: Float32Array,
  image: Float32Array,
  options: { inputShape: readonly number[]; augmentation: Augmentation; random: Random },
): void {
  const { inputShape, augmentation, random } = options;
  assertShape(image, inputShape, 'image');
  const [channels, height, width] = inputShape;
  const draw = (side: number) => {
    const most = Math.floor(shiftShare * side);
    return Math.floor(random() * (2 * most + 1)) - most;
  };
  const [down, right] = [draw(height), draw(width)];
  const mirrored = augmentation === 'shift-mirror' && random() < 0.5;
  const within = (place: number, extent: number) => Math.min(extent - 1, Math.max(0, place));
  for (let row = 0; row < channels * height; row++) {
    const plane = Math.floor(row / height) * height;
    const source = (plane + within((row % height) - down, height)) * width;
    for (let column = 0; column < width; column++) {
      const from = within((mirrored ? width - 1 - column : column) - right, width);
      target[row * width + column] = image[source + from];
    }
  }
}
