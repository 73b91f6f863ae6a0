// Attacks on recordings: at the scale of a waveform, and with examples that a file of 16 bits can hold.
import { judge } from './attack.ts';
import type { RunAttack } from './run-attack.ts';

/** Steps that 16-bit samples cut 1 into, as WAV files are read. */
export const sampleSteps = 2 ** 15;

/** Largest change that an attack at its smallest success looks at: a third of the loudness (root mean square) of 0.06. */
export const waveformEpsilonMax = 0.02;

/**
 * Runs attacks with what waveforms of -1 to 1 need: their search ends at {@link waveformEpsilonMax}, in steps that fit it, they
 * follow the margin, since the gradient of a cross-entropy vanishes where scores have gaps of fifty (probabilistic linear
 * discriminant analysis), and every example is rounded to 16 bits and judged again. What rounding undoes is no success.
 */
export function waveformAttacks(run: RunAttack): RunAttack {
  return async (attack, target, attacked, options) => {
    const found = await run(attack, target, attacked, {
      ...options,
      epsilonMax: waveformEpsilonMax,
      loss: 'margin',
    });
    return judge(target, attacked, roundSamples(found.inputs));
  };
}

/** Samples as a file of 16 bits holds them. */
export function roundSamples(samples: Float32Array): Float32Array {
  return samples.map((value) =>
    Math.min((sampleSteps - 1) / sampleSteps, Math.max(-1, Math.round(value * sampleSteps) / sampleSteps)),
  );
}
