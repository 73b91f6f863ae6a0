// The baselines of a screening table on one set, on the activations of one forward pass.
import type { MethodScore } from '../../shared/contracts/screening-table.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import {
  activationReductions,
  clusterActivations,
  clusterRules,
  suspectClusters,
} from '../baselines/activation-clustering.ts';
import { suspectSpectra } from '../baselines/spectral-signatures.ts';
import { stripEntropies, stripThreshold, suspectEntropies } from '../baselines/strip.ts';
import type { Suspicion } from '../baselines/training-activations.ts';
import { datasetRow } from '../datasets/dataset.ts';
import type { PoisonedSet } from '../datasets/poisoned-set.ts';
import type { PenultimatePass } from './penultimate-pass.ts';
import { scoreSuspicion } from './score-suspicion.ts';
import type { KnownPoisonOptions, PartProgress } from './screen-known-poison.ts';
import { clusteringMethod } from './screening-methods.ts';

/** What the baselines are run on. */
export interface BaselineWork {
  readonly set: PoisonedSet;
  readonly pass: PenultimatePass;
  readonly range: readonly [number, number];
}

/** Scores every baseline, by its name. */
export async function scoreBaselines(
  { set, pass, range }: BaselineWork,
  options: KnownPoisonOptions,
  onPart: PartProgress,
): Promise<Record<string, MethodScore>> {
  const { dataset, planted } = set;
  const { activations, neurons, classes } = pass;
  const [seed] = options.seeds;
  const known = { planted, labels: dataset.labels };
  const training = { activations, neurons, labels: dataset.labels, classes };
  const scores: Record<string, MethodScore> = {};
  for (const reduction of activationReductions) {
    onPart(`clusters, ${reduction}`, 0);
    const startedAt = performance.now();
    const clustered = clusterActivations(training, { reduction, seed });
    const seconds = pass.seconds + secondsSince(startedAt);
    for (const rule of clusterRules) {
      const suspicion = suspectClusters(clustered, rule);
      scores[clusteringMethod(reduction, rule)] = scoreSuspicion(suspicion, known, { seconds });
    }
  }
  onPart('spectra', 0);
  const spectraAt = performance.now();
  const share = planted.length === 0 ? options.spectralShare : planted.length / dataset.labels.length;
  const spectra = suspectSpectra(training, { share });
  scores['spectral-signatures'] = scoreSuspicion(spectra, known, {
    seconds: pass.seconds + secondsSince(spectraAt),
  });
  const stripAt = performance.now();
  const target = { logits: pass.logitsOf, inputShape: dataset.inputShape, classes, range };
  const overlaid = await suspectByStrip(set, target, options, (share) => onPart('overlays', share));
  scores.strip = scoreSuspicion(overlaid, known, { seconds: secondsSince(stripAt) });
  return scores;
}

/** STRIP with overlays and a threshold of rows that are known to be clean. */
async function suspectByStrip(
  { dataset, planted }: PoisonedSet,
  target: Parameters<typeof stripEntropies>[0],
  { stripCopies: copies, stripCleanRows, stripFalseRejections, seeds: [seed] }: KnownPoisonOptions,
  onProgress: (share: number) => void,
): Promise<Suspicion> {
  const isPlanted = new Set(planted);
  const clean = permutation(dataset.labels.length, seededRandom(seed))
    .filter((row) => !isPlanted.has(row))
    .subarray(0, stripCleanRows);
  const size = elementCount(dataset.inputShape);
  const overlays = new Float32Array(clean.length * size);
  for (const [place, row] of clean.entries()) overlays.set(datasetRow(dataset, row), place * size);
  const entropies = await stripEntropies(target, dataset.inputs, { overlays, copies, seed, onProgress });
  const known = Float64Array.from(clean, (row) => entropies[row]);
  return suspectEntropies(entropies, stripThreshold(known, stripFalseRejections));
}

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1000;
}
