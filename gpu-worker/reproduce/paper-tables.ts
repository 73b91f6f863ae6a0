// The paper's figures of robustness and of screening, copied from its tables; those of detection are in evaluate/paper-figures.ts.

/** Accuracies of one data set, as shares: natural, adversarially trained, and Madry's network. */
export interface PaperAccuracies {
  readonly clean: readonly [number, number, number];
  readonly pgd: readonly [number, number, number];
  readonly randomNoise: readonly [number, number, number];
}

/** The networks of tables 1 and 2, in the order of the figures. */
export const paperNetworks = ['natural', 'adversarially trained', 'Madry'] as const;

/** @see NCCR (Pu Shi, 2025), section 4, tables 1 and 2 */
export const paperAccuracies = {
  mnist: { clean: [0.9917, 0.984, 0.9853], pgd: [0, 0.9368, 0.942], randomNoise: [0.8532, 0.9375, 0.977] },
  cifar10: {
    clean: [0.9501, 0.8725, 0.8714],
    pgd: [0, 0.4719, 0.4732],
    randomNoise: [0.9349, 0.8724, 0.8708],
  },
} as const satisfies Record<string, PaperAccuracies>;

/** The methods of table 6, in the order of its figures. */
export const paperScreeningMethods = ['NCCR', 'Activation Clustering', 'STRIP'] as const;

/**
 * F1 by data set and trigger.
 * @see NCCR (Pu Shi, 2025), section 6, table 6 (ResNet-34)
 */
export const paperScreening: Readonly<
  Record<string, Readonly<Record<string, readonly [number, number, number]>>>
> = {
  cifar10: {
    badnets: [0.9994, 0.9915, 0.9884],
    blended: [0.9995, 0.9874, 0.7416],
    sig: [0.9989, 0.9867, 0.6451],
    refool: [0.9986, 0.9833, 0.6846],
  },
  gtsrb: {
    badnets: [0.9998, 0.9991, 0.9798],
    blended: [0.9996, 0.9982, 0.7064],
    sig: [0.9994, 0.9978, 0.6291],
    refool: [0.9993, 0.9986, 0.6487],
  },
};
