// The methods of a screening table: their names, titles and settings in words.
import {
  type ActivationReduction,
  activationReductions,
  type ClusterRule,
  clusterRules,
} from '../baselines/activation-clustering.ts';

/** Our own screening, by what it clusters. */
export const ownMethods = ['nccr', 'activation'] as const;
export type OwnMethod = (typeof ownMethods)[number];

/** Activation Clustering by its reduction and rule, such as `activation-clustering/ica/smaller`. */
export function clusteringMethod(reduction: ActivationReduction, rule: ClusterRule): string {
  return `activation-clustering/${reduction}/${rule}`;
}

/** Baselines in the order of a table's columns. */
export const baselineMethods: readonly string[] = [
  ...activationReductions.flatMap((reduction) =>
    clusterRules.map((rule) => clusteringMethod(reduction, rule)),
  ),
  'spectral-signatures',
  'strip',
];

const titles: Readonly<Record<string, string>> = {
  nccr: 'NCCR',
  activation: 'activations by our rule',
  'spectral-signatures': 'Spectral Signatures',
  strip: 'STRIP',
};

/** A method as a report calls it; a name that it does not know stays. */
export function methodTitle(name: string): string {
  const [family, reduction, rule] = name.split('/');
  if (family === 'activation-clustering' && rule !== undefined)
    return `AC, ${reduction.toUpperCase()}, ${rule}`;
  return Object.hasOwn(titles, name) ? titles[name] : name;
}

/** Settings that a table's reader needs to judge the baselines by. */
export interface MethodSettings {
  /** Overlays that STRIP lays over each example. */
  readonly stripCopies: number;
  /** Share of clean examples that STRIP may suspect. */
  readonly stripFalseRejections: number;
  /** Clean rows that STRIP is given: overlays, and what its threshold is set on. */
  readonly stripCleanRows: number;
  /** Share of a class that Spectral Signatures takes for poison where nothing is planted. */
  readonly spectralShare: number;
}

/** The settings in words, by the name of the method. */
export function settingsInWords(settings: MethodSettings): Record<string, string> {
  const { stripCopies, stripFalseRejections, stripCleanRows, spectralShare } = settings;
  return {
    nccr: 'our rule on the signed change of the penultimate activation under destroying noise',
    activation: 'our rule on the penultimate activation itself: the partition of Activation Clustering',
    'activation-clustering':
      'Chen et al. (2018): 10 independent (ICA) or principal (PCA) components, two clusters, the rules smaller, relative-size (35 %) and silhouette-scores (0.1)',
    'spectral-signatures': `Tran et al. (2018): 1.5 times the poison rate of the set removed from every class, which it is told; ${percent(spectralShare)} where nothing is planted`,
    strip: `Gao et al. (2019): ${stripCopies} overlays an example, threshold at ${percent(stripFalseRejections)} of ${stripCleanRows} clean rows, which it is told`,
  };
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
