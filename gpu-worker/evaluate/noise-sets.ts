// Sets of small noise over the same inputs: every model of a comparison is given the same ones.
import { normal } from '../../shared/maths/random.ts';
import { clipTo } from '../attacks/attack.ts';
import { rowRandom } from '../attacks/attack-each.ts';

/** How inputs are perturbed. */
export interface SetNoise {
  /** Bound of a change, in units of the input; the deviation is half of it. */
  readonly epsilon: number;
  /** Lowest and highest valid value of an input. */
  readonly range: readonly [number, number];
  /** Sets that are drawn in all. */
  readonly sets: number;
  readonly seed: number;
}

/**
 * Perturbs rows by their noise of one set: `clip(x + clip(N(0, (epsilon/2)^2), -epsilon, epsilon))`. A row has the same noise
 * whatever stands beside it.
 * @param inputs row-major [rows, size]; not changed
 * @param place which set, from 0; number of the first row in the data set; elements of a row
 * @returns row-major [rows, size]
 * @see NCCR, sections 3.2 and 4
 */
export function perturbRows(
  inputs: Float32Array,
  { epsilon, range, sets, seed }: SetNoise,
  { set, first, size }: { readonly set: number; readonly first: number; readonly size: number },
): Float32Array {
  const perturbed = inputs.slice();
  for (let row = 0; row < inputs.length / size; row++) {
    const random = rowRandom(seed * sets + set, first + row);
    for (let index = row * size; index < (row + 1) * size; index++) {
      const noise = clipTo([-epsilon, epsilon], (epsilon / 2) * normal(random));
      perturbed[index] = clipTo(range, inputs[index] + noise);
    }
  }
  return perturbed;
}
