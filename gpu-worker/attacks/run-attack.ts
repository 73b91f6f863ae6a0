// Running an attack by its name, as whoever needs examples is handed it: at once, or by way of examples kept before.
import type { AttackExamples, AttackInputs } from './attack.ts';
import { type AttackName, attacksByName, type NamedAttackOptions } from './attack-by-name.ts';
import type { AttackTarget } from './attack-target.ts';

/** Gives the examples of an attack; the same arguments give the same examples. */
export type RunAttack = (
  attack: AttackName,
  target: AttackTarget,
  attacked: AttackInputs,
  options: NamedAttackOptions,
) => Promise<AttackExamples>;

/**
 * Raised whenever an attack would find other examples than before: by its code, its parameters in `attacksByName`, or the
 * gradients below it. Examples that were kept under another revision are not read.
 */
export const attackRevisions: Readonly<Record<AttackName, number>> = {
  fgsm: 1,
  pgd: 1,
  jsma: 1,
  'carlini-wagner': 2,
  deepfool: 1,
  square: 1,
  boundary: 1,
  fakebob: 1,
  'gaussian-noise': 1,
  'uniform-noise': 1,
  'fgsm-fixed': 1,
  'pgd-fixed': 1,
  'pgd-margin-fixed': 1,
};

/** Runs the attack. */
export function runAttack(
  attack: AttackName,
  target: AttackTarget,
  attacked: AttackInputs,
  options: NamedAttackOptions,
): Promise<AttackExamples> {
  return attacksByName[attack].run(target, attacked, options);
}
