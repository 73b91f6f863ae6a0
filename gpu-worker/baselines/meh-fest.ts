// Baseline for recordings: how quiet the high frequencies ever get (MEH-FEST), without a model.
import { assert } from '../../shared/assert.ts';
import { countRows } from './baseline.ts';

/** How the spectrum is taken. */
export interface MehFestOptions {
  /** Samples of a frame; half of them are shared with the next. */
  readonly frame?: number;
  /** Share of the band, from its upper end, that counts as high. */
  readonly highShare?: number;
}

/**
 * Scores recordings by the logarithm of the least energy that any frame has in the high frequencies: between words speech has
 * next to none there, and noise that was added to every sample fills it.
 *
 * Random noise that nobody optimised does the same, so it is flagged as well.
 *
 * Deviation: frames of 256 samples (32 ms at 8,000 a second) under a Hann window and the upper quarter of the band, where the author
 * works at 16,000 a second.
 * @param inputs row-major [rows, samples]
 * @returns [rows], finite; higher for what is taken for adversarial
 * @throws Error where a recording is shorter than a frame or a sample is not finite
 * @see Chen, "On the detection of adaptive adversarial attacks in speaker verification systems" (2022), section IV
 */
export function mehFest(
  { inputs, samples }: { readonly inputs: Float32Array; readonly samples: number },
  { frame = 256, highShare = 1 / 4 }: MehFestOptions = {},
): Float64Array {
  const rows = countRows({ inputShape: [samples] }, inputs);
  assert(samples >= frame, 'a recording is at least a frame long');
  const tables = waves(frame, highShare);
  return Float64Array.from({ length: rows }, (_, row) => {
    let least = Number.POSITIVE_INFINITY;
    for (let start = 0; start + frame <= samples; start += frame / 2) {
      const first = row * samples + start;
      least = Math.min(least, energy(inputs.subarray(first, first + frame), tables));
    }
    // What 16 bits cannot tell from silence has one score.
    return Math.log(least + 1e-12);
  });
}

/** Cosines and sines of the high bins under the window, row-major [bins, frame]. */
interface Waves {
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
}

function waves(frame: number, highShare: number): Waves {
  const first = Math.round((frame / 2) * (1 - highShare));
  const bins = frame / 2 - first;
  const table = (wave: (angle: number) => number) =>
    Float64Array.from({ length: bins * frame }, (_, index) => {
      const [bin, sample] = [first + Math.floor(index / frame), index % frame];
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * sample) / frame);
      return hann * wave((2 * Math.PI * bin * sample) / frame);
    });
  return { cosines: table(Math.cos), sines: table(Math.sin) };
}

/** Sum of the squared amplitudes of the high bins. */
function energy(samples: Float32Array, { cosines, sines }: Waves): number {
  const frame = samples.length;
  let sum = 0;
  for (let first = 0; first < cosines.length; first += frame) {
    let [real, imaginary] = [0, 0];
    for (let index = 0; index < frame; index++) {
      real += cosines[first + index] * samples[index];
      imaginary += sines[first + index] * samples[index];
    }
    sum += real * real + imaginary * imaginary;
  }
  return sum;
}
