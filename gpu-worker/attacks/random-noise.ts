// Random noise as a control: what an epsilon does without an attack behind it.
import { normal } from '../../shared/maths/random.ts';
import { type AttackExamples, type AttackInputs, clipTo, judge, type Progress } from './attack.ts';
import { rowRandom } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the noise. */
export interface RandomNoiseOptions {
  /** `gaussian`: normal with deviation epsilon / 2, clipped to ±epsilon; `uniform`: from [-epsilon, epsilon]. */
  readonly kind: 'gaussian' | 'uniform';
  /** Largest change of an element, in units of the input. */
  readonly epsilon: number;
  readonly seed: number;
  readonly onProgress?: Progress | undefined;
}

/**
 * Adds one draw of noise to every input.
 * @returns every row tried once; `success` says which the model gets wrong, commonly few
 * @see NCCR, section 3.2, for the deviation of half the bound
 */
export async function randomNoise(
  target: AttackTarget,
  attacked: AttackInputs,
  { kind, epsilon, seed, onProgress }: RandomNoiseOptions,
): Promise<AttackExamples> {
  const size = attacked.inputs.length / attacked.labels.length;
  const tried = attacked.inputs.slice();
  for (let row = 0; row < attacked.labels.length; row++) {
    const random = rowRandom(seed, row);
    for (let index = row * size; index < (row + 1) * size; index++) {
      const noise =
        kind === 'uniform'
          ? epsilon * (2 * random() - 1)
          : clipTo([-epsilon, epsilon], (epsilon / 2) * normal(random));
      tried[index] = clipTo(target.range, tried[index] + noise);
    }
  }
  const examples = await judge(target, attacked, tried);
  onProgress?.(1);
  return examples;
}
