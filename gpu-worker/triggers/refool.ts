// ReFool: the reflection of another image in a pane of glass, out of focus or doubled.
import { assert, assertShape } from '../../shared/assert.ts';
import type { RefoolParameters } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import type { Random } from '../../shared/maths/random.ts';
import { gaussianWeights } from '../../shared/maths/transforms.ts';
import { clipTo, type FramedImage, type ImageFrame } from './trigger.ts';

/** Exponent between stored values and light, as cameras and the paper's own code have it. */
const gamma = 2.2;
/** Standard deviations that the window of the blur reaches to each side. */
const blurReach = 2;

/**
 * Adds a reflection: one of `reflections`, changed as glass changes it and mixed with the image as light.
 *
 * The out-of-focus form blurs it by a Gaussian, the ghost form adds it to a shifted copy of itself, as the two faces of a
 * thick pane reflect twice. Deviation: the paper mixes photographs of hundreds of pixels; here sizes are in pixels of the
 * small images themselves, the reflections come from the data set, and candidates are not ranked by their effect on a
 * model. Deviation: of the light, the reflection has one share in both forms (paper: x + x_R * k, without a share of x).
 * @param image x, [channels, height, width]; not changed
 * @param reflections at least one, each of the same shape
 * @param random draws the reflection, its form and its strength
 * @returns [channels, height, width], in the frame's range
 * @see Liu, Ma, Bailey and Lu, "Reflection backdoor: a natural backdoor attack on deep neural networks", 2020:
 *   reflections of types II (out of focus) and III (ghost)
 */
export function addReflection(
  { image, frame }: FramedImage,
  reflections: readonly Float32Array[],
  { parameters, random }: { parameters: RefoolParameters; random: Random },
): Float32Array {
  assertShape(image, [frame.channels, frame.height, frame.width], 'image');
  assert(reflections.length > 0, 'there is something to reflect');
  checkGhost(frame, parameters);
  const reflection = reflections[Math.floor(random() * reflections.length)];
  assertShape(reflection, [frame.channels, frame.height, frame.width], 'reflection');
  const between = ([low, high]: readonly [number, number]) => low + (high - low) * random();
  const ratio = between(parameters.ratio);
  const light = toLight({ image: reflection, frame });
  const reflected =
    random() < parameters.ghost_share
      ? ghost({ image: light, frame }, drawGhost(parameters, random))
      : blur({ image: light, frame }, between(parameters.blur_sigma));
  return toLight({ image, frame }).map((value, index) =>
    fromLight((1 - ratio) * value + ratio * reflected[index], frame),
  );
}

/**
 * Refuses images out of which the second copy of a reflection would be shifted.
 * @throws GuardError `invalid_dataset`
 */
export function checkGhost(
  { height, width }: ImageFrame,
  { ghost_offset: [, offset] }: Pick<RefoolParameters, 'ghost_offset'>,
): void {
  if (offset < Math.min(height, width)) return;
  throw new GuardError(
    'invalid_dataset',
    `a reflection shifted by ${offset} pixels does not fit into images of ${height} x ${width}`,
  );
}

interface Ghost {
  readonly down: number;
  readonly right: number;
  /** Of the copy that is not shifted. */
  readonly weight: number;
}

function drawGhost({ ghost_offset: [least, most], ghost_weight }: RefoolParameters, random: Random): Ghost {
  const pixels = () => least + Math.floor(random() * (most - least + 1));
  const [low, high] = ghost_weight;
  return { down: pixels(), right: pixels(), weight: low + (high - low) * random() };
}

/** The weighted sum of a plane and its copy shifted down and right; where the copy has nothing to show, it is dark. */
function ghost(
  { image, frame: { height, width } }: FramedImage,
  { down, right, weight }: Ghost,
): Float32Array {
  return image.map((value, index) => {
    const column = index % width;
    const row = Math.floor(index / width) % height;
    const copy = row < down || column < right ? 0 : image[index - down * width - right];
    return weight * value + (1 - weight) * copy;
  });
}

/** A Gaussian blur, along columns and then rows; beyond the edge stands the edge's own pixel. */
function blur({ image, frame }: FramedImage, sigma: number): Float32Array {
  const { height, width } = frame;
  const reach = Math.ceil(blurReach * sigma);
  const weights = gaussianWeights({ sigma, size: 2 * reach + 1 });
  const along = (source: Float32Array, { extent, stride }: { extent: number; stride: number }) =>
    source.map((_, index) => {
      const position = Math.floor(index / stride) % extent;
      let sum = 0;
      for (let step = -reach; step <= reach; step++) {
        const read = Math.min(extent - 1, Math.max(0, position + step));
        sum += weights[step + reach] * source[index + (read - position) * stride];
      }
      return sum;
    });
  return along(along(image, { extent: width, stride: 1 }), { extent: height, stride: width });
}

/** Values of the range as light in [0, 1]. */
function toLight({ image, frame: { range } }: FramedImage): Float32Array {
  const [low, high] = range;
  return image.map((value) => ((clipTo(range, value) - low) / (high - low)) ** gamma);
}

function fromLight(light: number, { range }: ImageFrame): number {
  const [low, high] = range;
  return clipTo(range, low + (high - low) * light ** (1 / gamma));
}
