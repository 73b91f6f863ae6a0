// What each vector design is trained on, and how: data, so that a recipe can be read at a glance.
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import type { TrainingOptions } from './train-mlp.ts';

/** Where the inputs of a pool come from. `share` is of the training images that the model gets right. */
export type TrainingSource =
  | { readonly kind: 'clean'; readonly share: number }
  /** Copies with Gaussian noise up to the plan's own strength. */
  | { readonly kind: 'noisy'; readonly share: number }
  /** Copies changed as cameras and clients change images, those that the model still gets right. */
  | { readonly kind: 'shifted'; readonly share: number; readonly copies: number }
  /** `epsilon` of the fixed attacks: each budget in turn, or one drawn for every image. */
  | {
      readonly kind: 'attack';
      readonly attack: AttackName;
      readonly share: number;
      readonly epsilon?: 'each' | 'drawn';
    };

/** Inputs that together have one mass in the loss, each of them the same. */
export interface TrainingPool {
  readonly adversarial: boolean;
  readonly mass: number;
  readonly sources: readonly TrainingSource[];
}

/** How a design is trained. */
export interface TrainingRecipe {
  /** Widths of the two hidden layers. */
  readonly hidden: readonly [number, number];
  readonly pools: readonly TrainingPool[];
  readonly training?: Omit<TrainingOptions, 'hidden' | 'seed'>;
  /** Of designs on neurons: what their linear head is trained on beside the clean inputs, and how. */
  readonly head?: {
    readonly attacks: readonly AttackName[];
    readonly training: Pick<TrainingOptions, 'steps' | 'batch' | 'learningRate' | 'weightDecay'>;
  };
}

/** FGSM, PGD and JSMA, each at its smallest success: the paper's "Combine". */
const combine: readonly TrainingSource[] = [
  { kind: 'attack', attack: 'fgsm', share: 1 },
  { kind: 'attack', attack: 'pgd', share: 1 },
  { kind: 'attack', attack: 'jsma', share: 1 },
];

/** The recipe of the designs on transforms: both tails of the attacks, and clean images that were changed. */
const bothTails: readonly TrainingPool[] = [
  { adversarial: false, mass: 1 / 3, sources: [{ kind: 'clean', share: 1 }] },
  {
    adversarial: false,
    mass: 2 / 3,
    sources: [{ kind: 'shifted', share: 1, copies: 2 }],
  },
  {
    adversarial: true,
    mass: 1 / 2,
    sources: [
      { kind: 'attack', attack: 'fgsm', share: 3 / 8 },
      { kind: 'attack', attack: 'pgd', share: 3 / 8 },
      { kind: 'attack', attack: 'jsma', share: 1 / 8 },
    ],
  },
  {
    adversarial: true,
    mass: 1 / 2,
    sources: [
      { kind: 'attack', attack: 'fgsm-fixed', share: 1 / 2, epsilon: 'each' },
      { kind: 'attack', attack: 'pgd-fixed', share: 1 / 2, epsilon: 'each' },
      { kind: 'attack', attack: 'fgsm-fixed', share: 1 / 4, epsilon: 'drawn' },
      { kind: 'attack', attack: 'pgd-fixed', share: 1 / 4, epsilon: 'drawn' },
    ],
  },
];

/** The recipe for recordings: attacks of all strengths on the waveform. */
const speechAttacks: TrainingPool = {
  adversarial: true,
  mass: 1,
  sources: [
    { kind: 'attack', attack: 'fgsm-fixed', share: 1, epsilon: 'each' },
    { kind: 'attack', attack: 'pgd-fixed', share: 1, epsilon: 'each' },
    { kind: 'attack', attack: 'fgsm', share: 1 / 2 },
    { kind: 'attack', attack: 'pgd', share: 1 / 2 },
    // Its gradients cost more than those of all others together.
    { kind: 'attack', attack: 'carlini-wagner', share: 1 / 4 },
  ],
};

/** Few rows and many epochs: what is forgotten between them keeps the perceptron from learning rows by heart. */
const speechTraining = { steps: 4000, weightDecay: 0.1, dropout: 0.2, clip: 5, learningRate: 2e-3 };

/**
 * `layer-levels` without noisy windows among the clean ones. It takes any noise for an attack, and is kept for the tables, which
 * say so.
 */
export const speechRecipeWithoutNoise: TrainingRecipe = {
  hidden: [24, 16],
  pools: [{ adversarial: false, mass: 1, sources: [{ kind: 'clean', share: 1 }] }, speechAttacks],
  training: speechTraining,
};

const longTraining = { steps: 3000, batch: 256, learningRate: 5e-3, learningRateLast: 1e-5 };

/**
 * Deviation: the paper says "a three-layer network of 1,792 parameters" without its widths; 9-32-42-2 and 19-34-30-2
 * with biases are exactly 1,792 for ten classes, 18-36-18-2 for six transforms is 1,388. 19-34-13-2 is 1,163 and leaves
 * room for a head of 628 entries: of 596 on a ResNet-8, 1,760 in all.
 */
export const trainingRecipes: Readonly<Record<VectorDesign, TrainingRecipe>> = {
  'rank-gaps': {
    hidden: [32, 42],
    pools: [
      { adversarial: false, mass: 1, sources: [{ kind: 'clean', share: 1 }] },
      { adversarial: true, mass: 1, sources: combine },
    ],
  },
  strict: {
    hidden: [34, 30],
    pools: [
      {
        adversarial: false,
        mass: 1,
        sources: [
          { kind: 'clean', share: 1 },
          { kind: 'noisy', share: 1 },
        ],
      },
      {
        adversarial: true,
        mass: 1,
        // A quarter of the adversarial rows: with as many as of the other three together, the smallest FGSM falls from 0.956 to
        // 0.928 on CIFAR-10 while PGD at 8/255 rises from 0.894 to 0.913.
        sources: [...combine, { kind: 'attack', attack: 'pgd-fixed', share: 1 / 3, epsilon: 'each' }],
      },
    ],
  },
  'margin-changes': { hidden: [36, 18], pools: bothTails, training: longTraining },
  'margin-changes+rank-gaps': { hidden: [32, 25], pools: bothTails, training: longTraining },
  'margin-changes+neurons': {
    hidden: [34, 13],
    pools: bothTails,
    training: longTraining,
    // The head has more weights than all layers: a strong decay, which on 400 images of CIFAR-10 was worth .002.
    head: {
      attacks: ['pgd-fixed'],
      training: { steps: 1500, batch: 256, learningRate: 5e-3, weightDecay: 1 },
    },
  },
  'layer-levels': {
    ...speechRecipeWithoutNoise,
    pools: [
      {
        adversarial: false,
        mass: 1,
        sources: [
          { kind: 'clean', share: 1 },
          { kind: 'noisy', share: 1 },
        ],
      },
      speechAttacks,
    ],
  },
};

/** The attacks that a recipe trains on, each once. */
export function recipeAttacks({ pools }: TrainingRecipe): AttackName[] {
  const sources = pools.flatMap((pool) => pool.sources);
  return [...new Set(sources.flatMap((source) => (source.kind === 'attack' ? [source.attack] : [])))];
}
