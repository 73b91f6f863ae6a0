// How much the steps of a reproduction measure: in full, or in the short form.

/** Counts of images and repetitions. */
export interface ReproductionSizes {
  /** Images whose NCCR is measured, and those of them that PGD attacks. */
  readonly robustness: { readonly images: number; readonly attacked: number; readonly sets: number };
  /** Images of figures 1 and 3, and road signs of figures 4 and 5. */
  readonly figures: { readonly images: number; readonly signs: number };
  /** Images of MNIST and of CIFAR-10, whose network costs several times as much. */
  readonly mnist: DetectionSizes;
  readonly cifar10: DetectionSizes;
  readonly screening: {
    /** Training sets by their names; all of the folder where it is undefined. */
    readonly only: readonly string[] | undefined;
    readonly stripOverlays: number;
  };
  /** Passes over CIFAR-10 on PGD examples that its adversarially trained network is given; 0 leaves it out. */
  readonly adversarialEpochs: number;
}

/** Counts of images of one detection table. */
export interface DetectionSizes {
  readonly training: number;
  readonly threshold: number;
  readonly test: number;
  readonly seeds: number;
  readonly timed: number;
}

/** As docs/results.md has it; hours on two cores. */
export const fullSizes: ReproductionSizes = {
  robustness: { images: 1000, attacked: 1000, sets: 10 },
  figures: { images: 300, signs: 1000 },
  mnist: { training: 4000, threshold: 1000, test: 1000, seeds: 5, timed: 200 },
  cifar10: { training: 4000, threshold: 1000, test: 1000, seeds: 5, timed: 200 },
  screening: { only: undefined, stripOverlays: 12 },
  adversarialEpochs: 4,
};

/** One seed and few images: under ten minutes on two cores. */
export const quickSizes: ReproductionSizes = {
  robustness: { images: 200, attacked: 50, sets: 10 },
  figures: { images: 60, signs: 60 },
  mnist: { training: 200, threshold: 100, test: 80, seeds: 1, timed: 20 },
  cifar10: { training: 80, threshold: 60, test: 40, seeds: 1, timed: 10 },
  screening: { only: ['gtsrb_badnets_t33_10'], stripOverlays: 2 },
  adversarialEpochs: 0,
};

/** The sizes with at most so many images in each place. */
export function sizesOfAtMost(sizes: ReproductionSizes, images: number): ReproductionSizes {
  const least = (count: number) => Math.min(count, images);
  const detection = ({ training, threshold, test, seeds, timed }: DetectionSizes) => ({
    training: least(training),
    threshold: least(threshold),
    test: least(test),
    seeds,
    timed: least(timed),
  });
  const { robustness, figures, mnist, cifar10 } = sizes;
  return {
    ...sizes,
    robustness: {
      ...robustness,
      images: least(robustness.images),
      attacked: least(robustness.attacked),
    },
    figures: { images: least(figures.images), signs: least(figures.signs) },
    mnist: detection(mnist),
    cifar10: detection(cifar10),
  };
}
