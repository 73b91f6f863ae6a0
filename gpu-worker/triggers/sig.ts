// SIG: a sinusoid along the columns, added to the whole image.
import { assertShape } from '../../shared/assert.ts';
import type { SigParameters } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import { clipTo, type FramedImage, type ImageFrame } from './trigger.ts';

/**
 * Adds the horizontal sinusoid `v(i, j) = Delta sin(2 pi j f / m)` over the m columns to every channel.
 *
 * Deviation: columns are counted from 0, as published implementations do, where the paper counts from 1; it is the same
 * wave, moved by a pixel.
 * @param image [channels, height, width]; not changed
 * @returns [channels, height, width], clipped to the frame's range
 * @throws GuardError `invalid_dataset` where the image has too few columns to show the frequency
 * @see Barni, Kallas and Tondi, "A new backdoor attack in CNNs by training set corruption without label poisoning", 2019:
 *   the horizontal sinusoidal signal
 */
export function addSinusoid({ image, frame }: FramedImage, parameters: SigParameters): Float32Array {
  const { channels, height, width, range } = frame;
  assertShape(image, [channels, height, width], 'image');
  checkFrequency(frame, parameters);
  const delta = parameters.amplitude * (range[1] - range[0]);
  const wave = Float64Array.from(
    { length: width },
    (_, column) => delta * Math.sin((2 * Math.PI * column * parameters.frequency) / width),
  );
  return image.map((value, index) => clipTo(range, value + wave[index % width]));
}

/**
 * Refuses images with fewer than two columns a period: at exactly two, every column falls on a zero of the sine.
 * @throws GuardError `invalid_dataset`
 */
export function checkFrequency({ width }: ImageFrame, { frequency }: Pick<SigParameters, 'frequency'>): void {
  if (2 * frequency < width) return;
  throw new GuardError(
    'invalid_dataset',
    `a sinusoid of ${frequency} periods needs more than ${2 * frequency} columns, the images have ${width}`,
  );
}
