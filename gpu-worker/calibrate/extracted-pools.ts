// The inputs of a recipe's pools, made from images and extracted; and which images a sequential test needs for what.
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { requireActivations } from '../../shared/detector/activation-gaussian.ts';
import { predictedLabel } from '../attacks/attack.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import { type Dataset, selectDatasetRows } from '../datasets/dataset.ts';
import type { ForeignExamples } from '../datasets/foreign-examples.ts';
import { designVectors, type ExtractedRows, type Extractor, extractRows } from './extract-rows.ts';
import type { PoolVectors } from './fit-detector.ts';
import { type MadeInputs, poolInputs, type StageProgress, wrongForeign } from './training-inputs.ts';
import { type TrainingSource, trainingRecipes } from './training-recipes.ts';

/** Share of the training images that the activations' Gaussians are fitted to. */
export const gaussianShare = 1 / 3;

/** Rows of one pool, extracted. */
export interface ExtractedPool {
  readonly adversarial: boolean;
  readonly mass: number;
  readonly parts: readonly ExtractedRows[];
  /** What each part was made by; none of foreign examples. */
  readonly sources: readonly TrainingSource[];
}

/** What pools are made from. */
export interface PoolImages {
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  /** Images that the model gets right. */
  readonly dataset: Dataset;
  /** Examples that take the place of the recipe's attacks, and whether they are extracted with these images. */
  readonly foreign: { readonly examples: readonly ForeignExamples[]; readonly extracts: boolean };
  readonly run?: RunAttack | undefined;
}

/** How they are made. */
export interface PoolOptions {
  readonly design: VectorDesign;
  readonly budgets: readonly number[];
  readonly seed: number;
}

/** Makes the inputs of the recipe's pools from a set of images and extracts them. */
export async function extractedPools(
  { extractor, target, dataset, foreign, run }: PoolImages,
  { design, budgets, seed }: PoolOptions,
  onStage: StageProgress,
): Promise<ExtractedPool[]> {
  const { examples, extracts } = foreign;
  const noise = extractor.compiled.plan.noise.at(-1)?.epsilon ?? budgets[0];
  const context = { target, dataset, budgets, noise, seed, made: new Map<string, MadeInputs>(), run };
  const own = trainingRecipes[design].pools.filter(
    ({ adversarial }) => !adversarial || examples.length === 0,
  );
  const made = await poolInputs(own, context, onStage);
  const filled = made.map((pool) => ({ ...pool, parts: pool.parts.map(({ inputs }) => inputs) }));
  if (examples.length > 0) {
    const parts = extracts ? await Promise.all(examples.map((one) => wrongForeign(target, one))) : [];
    filled.push({ adversarial: true, mass: 1, sources: [], parts });
  }
  const pools: ExtractedPool[] = [];
  for (const { adversarial, mass, parts, sources } of filled) {
    const rows: ExtractedRows[] = [];
    for (const inputs of parts) {
      const stage = `extract ${adversarial ? 'adversarial' : 'clean'}`;
      rows.push(await extractRows(extractor, inputs, (share) => onStage(stage, share)));
    }
    pools.push({ adversarial, mass, sources, parts: rows });
  }
  return pools;
}

/** Vectors of every pool, of all sets together. */
export function poolVectors(
  made: readonly (readonly ExtractedPool[])[],
  design: VectorDesign,
): PoolVectors[] {
  return made[0].map(({ adversarial, mass }, pool) => {
    const parts = made.flatMap((set) => set[pool].parts);
    const sources = made.flatMap((set) => set[pool].sources);
    return { adversarial, mass, sources, parts: parts.map((rows) => designVectors(rows, design)) };
  });
}

/** Splits the training images: those behind all rows of the first stage, and those that the activations' Gaussians are of. */
export function splitForActivations(dataset: Dataset, classes: number): [Dataset, Dataset] {
  const count = dataset.labels.length;
  const gaussians = Math.round(gaussianShare * count);
  // Known before the attacks, which take their time.
  requireActivations(gaussians, classes);
  const rows = Array.from({ length: count }, (_, row) => row);
  return [
    selectDatasetRows(dataset, rows.slice(0, count - gaussians)),
    selectDatasetRows(dataset, rows.slice(count - gaussians)),
  ];
}

/**
 * Clean inputs that the model gets wrong, the share of them that goes with the first of the two sets of images.
 * @param dataset all images of training
 */
export async function wrongRows(
  { extractor, target }: Pick<PoolImages, 'extractor' | 'target'>,
  dataset: Dataset,
): Promise<ExtractedRows> {
  const logits = await target.logits(dataset.inputs);
  const wrong = Array.from(dataset.labels.keys()).filter(
    (row) => predictedLabel(logits, row, target.classes) !== dataset.labels[row],
  );
  const kept = wrong.slice(0, Math.round((1 - gaussianShare) * wrong.length));
  return extractRows(extractor, selectDatasetRows(dataset, kept).inputs);
}
