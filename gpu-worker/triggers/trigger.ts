// What a trigger is given and gives: an image in, the image with the trigger out.
import { GuardError } from '../../shared/errors.ts';
import type { Random } from '../../shared/maths/random.ts';

/** The images that a trigger is planted in. */
export interface ImageFrame {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Lowest and highest valid value of a pixel. */
  readonly range: readonly [number, number];
}

/** An image and where it stands. */
export interface FramedImage {
  /** Row-major [channels, height, width], each value in the frame's range. */
  readonly image: Float32Array;
  readonly frame: ImageFrame;
}

/**
 * Plants a trigger.
 * @param image [channels, height, width]; not changed
 * @param random draws what differs from image to image
 * @returns [channels, height, width], each value in the frame's range
 */
export type Trigger = (image: Float32Array, random: Random) => Float32Array;

/**
 * The frame of images of a shape.
 * @throws GuardError `invalid_dataset` where these are no images or the range is none
 */
export function frameOf(inputShape: readonly number[], range: readonly [number, number]): ImageFrame {
  if (inputShape.length !== 3) {
    const said = inputShape.join(', ');
    throw new GuardError(
      'invalid_dataset',
      `inputs of shape [${said}] are no images [channels, height, width]`,
    );
  }
  const [channels, height, width] = inputShape;
  return { channels, height, width, range };
}

/** Clips a value to the range. */
export function clipTo([low, high]: readonly [number, number], value: number): number {
  return Math.min(high, Math.max(low, value));
}
