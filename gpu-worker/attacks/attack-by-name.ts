// The attacks by the names that the command line, artefacts and reports write, with what each may cost.
import type { AttackExamples, AttackInputs, Progress } from './attack.ts';
import type { AttackTarget } from './attack-target.ts';
import { boundary } from './boundary.ts';
import { carliniWagner } from './carlini-wagner.ts';
import { deepfool } from './deepfool.ts';
import { fakebob } from './fakebob.ts';
import { fgsm, smallestFgsm } from './fgsm.ts';
import { jsma } from './jsma.ts';
import { pgd, smallestPgd } from './pgd.ts';
import { randomNoise } from './random-noise.ts';
import { square } from './square.ts';

/** Every attack by its name; those that end in `-fixed`, `square`, `fakebob` and the noises keep to an epsilon that is given. */
export const attackNames = [
  'fgsm',
  'pgd',
  'jsma',
  'carlini-wagner',
  'deepfool',
  'square',
  'boundary',
  'fakebob',
  'gaussian-noise',
  'uniform-noise',
  'fgsm-fixed',
  'pgd-fixed',
  'pgd-margin-fixed',
] as const;

/** One of {@link attackNames}. */
export type AttackName = (typeof attackNames)[number];

/** What every attack is given. */
export interface NamedAttackOptions {
  /** Radius in the max norm of the attacks that keep to one, in units of the input. */
  readonly epsilon: number;
  /** Seed of whatever an attack draws. */
  readonly seed: number;
  /** Largest epsilon that `fgsm`, `pgd` and `carlini-wagner` are looked for at; the whole range where it is not given. */
  readonly epsilonMax?: number;
  /** What FGSM and PGD follow; the cross-entropy where it is not given. */
  readonly loss?: 'cross-entropy' | 'margin';
  readonly onProgress?: Progress | undefined;
}

/** An attack with its parameters set. */
export interface NamedAttack {
  /**
   * Most that one input costs, the judging of the result included. A run counts an input once for each class, where an
   * attack needs the Jacobian: `deepfool` is given for the 10 classes that it considers at most.
   */
  readonly budget: { readonly forwards: number; readonly gradients: number };
  run(target: AttackTarget, inputs: AttackInputs, options: NamedAttackOptions): Promise<AttackExamples>;
}

/**
 * The attacks at the parameters that reports are made with; each file says what its parameters mean and whose they are.
 *
 * Every attack is bounded by its budget. One that must end sooner runs on a target made with a `signal`.
 */
export const attacksByName: Readonly<Record<AttackName, NamedAttack>> = {
  // Line search of 1,000 steps over the range, in blocks of 8.
  fgsm: {
    budget: { forwards: 1001, gradients: 1 },
    run: (target, inputs, { onProgress, epsilonMax, loss }) =>
      smallestFgsm(target, inputs, { ...given({ epsilonMax, loss }), onProgress }),
  },
  // 10 steps at each of 1 + 9 radii.
  pgd: {
    budget: { forwards: 11, gradients: 100 },
    run: (target, inputs, { onProgress, epsilonMax, loss }) =>
      smallestPgd(target, inputs, { ...given({ epsilonMax, loss }), onProgress }),
  },
  // 400 steps.
  jsma: {
    budget: { forwards: 2, gradients: 400 },
    run: (target, inputs, { onProgress }) => jsma(target, inputs, { onProgress }),
  },
  // 5 weights of 70 steps.
  'carlini-wagner': {
    budget: { forwards: 1, gradients: 350 },
    run: (target, inputs, { onProgress, epsilonMax }) =>
      carliniWagner(target, inputs, { ...given({ epsilonMax }), onProgress }),
  },
  // 50 linearisations, each of 9 gradients.
  deepfool: {
    budget: { forwards: 2, gradients: 450 },
    run: (target, inputs, { onProgress }) => deepfool(target, inputs, { onProgress }),
  },
  // 1,000 scores.
  square: {
    budget: { forwards: 1001, gradients: 0 },
    run: (target, inputs, options) => square(target, inputs, options),
  },
  // 50 starts, 10 bisections, 1,000 steps of two labels.
  boundary: {
    budget: { forwards: 2061, gradients: 0 },
    run: (target, inputs, { seed, onProgress }) => boundary(target, inputs, { seed, onProgress }),
  },
  // 50 steps of 51 scores.
  fakebob: {
    budget: { forwards: 2501, gradients: 0 },
    run: (target, inputs, { epsilon, seed, onProgress }) =>
      fakebob(target, inputs, { epsilon, seed, onProgress }),
  },
  'gaussian-noise': {
    budget: { forwards: 1, gradients: 0 },
    run: (target, inputs, options) => randomNoise(target, inputs, { kind: 'gaussian', ...options }),
  },
  'uniform-noise': {
    budget: { forwards: 1, gradients: 0 },
    run: (target, inputs, options) => randomNoise(target, inputs, { kind: 'uniform', ...options }),
  },
  'fgsm-fixed': {
    budget: { forwards: 1, gradients: 1 },
    run: (target, inputs, { epsilon, loss }) => fgsm(target, inputs, epsilon, loss),
  },
  // 20 steps of an eighth of epsilon from a random start.
  'pgd-fixed': {
    budget: { forwards: 1, gradients: 20 },
    run: (target, inputs, { epsilon, seed, loss, onProgress }) =>
      pgd(target, inputs, { epsilon, steps: 20, randomStart: seed, ...given({ loss }), onProgress }),
  },
  // 100 steps of a fortieth of epsilon from a random start.
  'pgd-margin-fixed': {
    budget: { forwards: 1, gradients: 100 },
    run: (target, inputs, { epsilon, seed, onProgress }) =>
      pgd(target, inputs, { epsilon, steps: 100, randomStart: seed, loss: 'margin', onProgress }),
  },
};

/** The options that are given, so that an attack's own defaults stand in for the others. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
