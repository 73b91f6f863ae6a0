// Baseline: an input whose label stays the same whatever is laid over it carries a trigger.
import { assert, assertShape } from '../../shared/assert.ts';
import { GuardError } from '../../shared/errors.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { clipTo } from '../attacks/attack.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { softmax } from './softmax.ts';
import type { Suspicion } from './training-activations.ts';

/** Inputs whose overlaid copies are made and run together. */
const inputsAtOnce = 64;

/** What is laid over each input. */
export interface StripOptions {
  /** Row-major [count, ...inputShape]: clean images. */
  readonly overlays: Float32Array;
  /** Overlays drawn for each input, N; the paper takes 100. */
  readonly copies: number;
  readonly seed: number;
  /** Called with the share done. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Mean entropy, in bits, of a model's answers to an input under overlays; low where something in the input decides alone.
 *
 * The entropy is that of the classes' probabilities for each overlaid copy, and the mean is over the copies. A known peer (ART)
 * takes it over the copies instead, which turns the order of clean and triggered inputs round.
 * @param inputs row-major [count, ...inputShape]
 * @returns [count], 0 to log2(classes)
 * @throws GuardError `invalid_dataset` where there are fewer overlays than are drawn for an input
 * @see Gao et al., "STRIP: a defence against trojan attacks on deep neural networks" (2019), algorithm 1, equations 3 and 4
 */
export async function stripEntropies(
  target: Pick<AttackTarget, 'logits' | 'inputShape' | 'classes' | 'range'>,
  inputs: Float32Array,
  { overlays, copies, seed, onProgress }: StripOptions,
): Promise<Float64Array> {
  const { inputShape, classes } = target;
  const size = elementCount(inputShape);
  const count = inputs.length / size;
  const available = overlays.length / size;
  assertShape(inputs, [Math.floor(count), ...inputShape], 'inputs');
  assertShape(overlays, [Math.floor(available), ...inputShape], 'overlays');
  assert(copies > 0, 'at least one overlay is drawn');
  if (available < copies) {
    throw new GuardError('invalid_dataset', `${copies} overlays are drawn, there are ${available}`);
  }
  const random = seededRandom(seed);
  const entropies = new Float64Array(count);
  for (let first = 0; first < count; first += inputsAtOnce) {
    const last = Math.min(count, first + inputsAtOnce);
    const overlaid = new Float32Array((last - first) * copies * size);
    for (let row = first; row < last; row++) {
      const drawn = permutation(available, random).subarray(0, copies);
      for (const [copy, overlay] of drawn.entries()) {
        const start = ((row - first) * copies + copy) * size;
        superimpose(target.range, {
          into: overlaid.subarray(start, start + size),
          input: inputs.subarray(row * size, (row + 1) * size),
          overlay: overlays.subarray(overlay * size, (overlay + 1) * size),
        });
      }
    }
    const logits = await target.logits(overlaid);
    for (let answer = 0; answer < (last - first) * copies; answer++) {
      const row = first + Math.floor(answer / copies);
      entropies[row] += entropyBits(logits.subarray(answer * classes, (answer + 1) * classes)) / copies;
    }
    onProgress?.(last / count);
  }
  return entropies;
}

/**
 * Entropy under which an input is suspected: at most the wanted share of the clean inputs given lies under it.
 *
 * Deviation: the paper takes that quantile of a normal distribution with their mean and deviation. Entropies of networks that are
 * sure of most overlaid images are not normal: the quantile is then under zero, and nothing would ever be suspected.
 * @param entropies of clean inputs, at least one
 * @param falseRejectionRate share of clean inputs that may be suspected, at least 0 and under 1
 * @see Gao et al. (2019), section V: the detection boundary from a preset false rejection rate
 */
export function stripThreshold(entropies: Float64Array, falseRejectionRate: number): number {
  assert(entropies.length > 0, 'a threshold needs clean inputs');
  assert(falseRejectionRate >= 0 && falseRejectionRate < 1, 'a rate is at least 0 and under 1');
  return entropies.toSorted()[Math.floor(falseRejectionRate * entropies.length)];
}

/** Rows whose entropy lies under the threshold. */
export function suspectEntropies(entropies: Float64Array, threshold: number): Suspicion {
  const rows = Uint32Array.from(entropies.keys()).filter((row) => entropies[row] < threshold);
  return { rows, labels: undefined };
}

/** The sum of two images over the darkest value, as light adds up, clipped to the range. */
function superimpose(
  range: readonly [number, number],
  { into, input, overlay }: { into: Float32Array; input: Float32Array; overlay: Float32Array },
): void {
  for (let index = 0; index < into.length; index++) {
    into[index] = clipTo(range, input[index] + overlay[index] - range[0]);
  }
}

function entropyBits(logits: Float32Array): number {
  let bits = 0;
  for (const probability of softmax(logits)) {
    if (probability > 0) bits -= probability * Math.log2(probability);
  }
  return bits;
}
