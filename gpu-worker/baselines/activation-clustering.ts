// Baseline: the activations of a class in two clusters, one of which a rule may call poison.
import { kMeans } from '../../shared/clustering/k-means.ts';
import { silhouette } from '../../shared/clustering/silhouette.ts';
import { pca, project } from '../../shared/maths/pca.ts';
import { fastIca } from './fast-ica.ts';
import { activationClasses, type Suspicion, type TrainingActivations } from './training-activations.ts';

/** How activations are brought down: the paper takes independent components, ART's defence principal ones by default. */
export const activationReductions = ['ica', 'pca'] as const;
export type ActivationReduction = (typeof activationReductions)[number];

/**
 * Rules that need no second training, the paper's section 5: `smaller` is its assumption that poison is the minority of a
 * class, taken alone as ART does by default; `relative-size` and `silhouette-scores` also say whether there is poison.
 * The paper's exclusionary reclassification trains the network again and is not here.
 */
export const clusterRules = ['smaller', 'relative-size', 'silhouette-scores'] as const;
export type ClusterRule = (typeof clusterRules)[number];

const componentsMax = 10;
/** Share of a class up to which a cluster counts as poison: ART's default, a little above the paper's largest rate of 33 %. */
const poisonShareMax = 0.35;
/** Mean silhouette from which two clusters count as apart: the paper finds 0.10 to 0.15 reasonable, ART takes 0.1. */
const silhouetteMin = 0.1;

/** A class in two clusters. */
export interface ClusteredClass {
  readonly label: number;
  /** [count], rows in the data set. */
  readonly rows: Uint32Array;
  /** [count], 0 or 1. */
  readonly clusters: Uint8Array;
  readonly sizes: readonly [number, number];
  /** Mean silhouette coefficient, -1 to 1, in the reduced space. */
  readonly silhouette: number;
}

/** How to cluster. */
export interface ActivationClusteringOptions {
  readonly reduction: ActivationReduction;
  readonly seed: number;
}

/**
 * Parts the activations of each class into two clusters; a class of one example is left out.
 *
 * Deviation: where a class is large the silhouette is that of a sample (see `silhouette`).
 * @throws GuardError `invalid_dataset` where there are no examples, a label is out of range or an activation is not finite
 * @see Chen et al., "Detecting backdoor attacks on deep neural networks by activation clustering" (2018), algorithm 1
 */
export function clusterActivations(
  set: TrainingActivations,
  { reduction, seed }: ActivationClusteringOptions,
): ClusteredClass[] {
  const clustered: ClusteredClass[] = [];
  for (const { label, rows, activations } of activationClasses(set)) {
    if (rows.length < 2) continue;
    const classSeed = seed + Math.imul(label + 1, 0x9e3779b1);
    const { points, dimensions } = reduced(activations, {
      reduction,
      dimensions: set.neurons,
      seed: classSeed,
    });
    const { clusters, sizes } = kMeans({ points, dimensions, k: 2, seed: classSeed });
    const { mean } = silhouette({ points, dimensions, clusters, k: 2, seed: classSeed });
    clustered.push({ label, rows, clusters, sizes: [sizes[0], sizes[1]], silhouette: mean });
  }
  return clustered;
}

/**
 * Names the poison by a rule.
 *
 * `silhouette-scores` is the paper's: where the silhouette is high, the smaller cluster is poison. Two peers do otherwise. ART
 * also asks that the cluster be at most 35 % of the class, and where a class is suspicious its `analyze_by_silhouette_score`
 * selects the poisonous clusters a second time in place of the clean ones, so that the clean cluster's entry stays what
 * `np.empty` left there and clean data is reported as poison. BackdoorBench computes a silhouette and decides by the size alone.
 * @see Chen et al. (2018), section 5
 */
export function suspectClusters(classes: readonly ClusteredClass[], rule: ClusterRule): Suspicion {
  const rows: number[] = [];
  const labels: number[] = [];
  for (const { label, rows: own, clusters, sizes, silhouette: fit } of classes) {
    const poison = sizes[1] < sizes[0] ? 1 : 0;
    if (sizes[poison] === 0 || !convicts(rule, { share: sizes[poison] / own.length, fit })) continue;
    labels.push(label);
    for (const [place, row] of own.entries()) if (clusters[place] === poison) rows.push(row);
  }
  return { rows: Uint32Array.from(rows).sort(), labels: labels.sort((left, right) => left - right) };
}

function convicts(rule: ClusterRule, { share, fit }: { share: number; fit: number }): boolean {
  switch (rule) {
    case 'smaller':
      return true;
    case 'relative-size':
      return share <= poisonShareMax;
    case 'silhouette-scores':
      return fit >= silhouetteMin;
  }
}

function reduced(
  activations: Float32Array,
  { reduction, dimensions, seed }: { reduction: ActivationReduction; dimensions: number; seed: number },
): { points: Float32Array; dimensions: number } {
  if (reduction === 'ica') {
    const { points, components } = fastIca(activations, { dimensions, components: componentsMax, seed });
    return { points, dimensions: components };
  }
  const projection = pca(activations, { dimensions, components: componentsMax });
  return { points: project(activations, projection), dimensions: Math.min(componentsMax, dimensions) };
}
