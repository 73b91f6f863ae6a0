// The vector designs as columns of a table: trained once a seed on one extraction of every source.
import { designReads, type VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import type { Mlp } from '../../shared/detector/mlp.ts';
import { designVectors, type ExtractedRows, type Extractor, extractRows } from '../calibrate/extract-rows.ts';
import { fitDetector, type PoolVectors, scoreVectors } from '../calibrate/fit-detector.ts';
import { poolInputs, type SourceContext, type StageProgress } from '../calibrate/training-inputs.ts';
import type { TrainingRecipe, TrainingSource } from '../calibrate/training-recipes.ts';
import type { ScoringMethod } from './scoring-method.ts';

/** What designs are trained on. */
export interface DesignSetting {
  /** Compiled with every copy that the designs read. */
  readonly extractor: Extractor;
  readonly context: SourceContext;
}

/** Extracted inputs of one source. */
export interface PoolPart {
  readonly rows: ExtractedRows;
  /** [rows]: which image of the context's data set each was made of. */
  readonly origins: Int32Array;
}

/** One pool of a recipe, extracted. */
export interface ExtractedPool {
  readonly adversarial: boolean;
  readonly mass: number;
  readonly parts: readonly PoolPart[];
  /** What each part was made by. */
  readonly sources: readonly TrainingSource[];
}

/** Makes and extracts the pools of a recipe. */
export type ExtractPools = (recipe: TrainingRecipe) => Promise<ExtractedPool[]>;

/** Trains a design by a recipe: a detector a seed. */
export type TrainDesign = (design: VectorDesign, recipe: TrainingRecipe) => Promise<Mlp[]>;

/** Sources that recipes share are made and extracted once. */
export function poolExtractor({ extractor, context }: DesignSetting, onStage: StageProgress): ExtractPools {
  const extractedOnce = new Map<Float32Array, ExtractedRows>();
  return async (recipe) => {
    const pools: ExtractedPool[] = [];
    for (const { parts, ...pool } of await poolInputs(recipe.pools, context, onStage)) {
      const extracted: PoolPart[] = [];
      for (const { inputs, origins } of parts) {
        const rows =
          extractedOnce.get(inputs) ??
          (await extractRows(extractor, inputs, (share) => onStage('extract training', share)));
        extractedOnce.set(inputs, rows);
        extracted.push({ rows, origins });
      }
      pools.push({ ...pool, parts: extracted });
    }
    return pools;
  };
}

/** Makes the trainer of designs. */
export function designTrainer(
  extractPools: ExtractPools,
  seeds: readonly number[],
  onStage: StageProgress,
): TrainDesign {
  return async (design, recipe) => {
    const pools = (await extractPools(recipe)).map(
      (pool): PoolVectors => ({ ...pool, parts: pool.parts.map(({ rows }) => designVectors(rows, design)) }),
    );
    return seeds.map((seed, index) => {
      onStage(`train ${design}`, (index + 1) / seeds.length);
      return fitDetector(pools, recipe, seed);
    });
  };
}

/** Scores of extracted rows by every detector of a design, [count] each. */
export function designScores(
  rows: ExtractedRows,
  design: VectorDesign,
  detectors: readonly Mlp[],
): Float64Array[] {
  const vectors = designVectors(rows, design);
  return detectors.map((mlp) => scoreVectors(mlp, vectors));
}

/**
 * A trained design as a column.
 * @param alone compiled with the copies that this design reads and no others: what a guard of its own would run
 */
export function designMethod(
  design: VectorDesign,
  { detectors, alone }: { detectors: readonly Mlp[]; alone: Extractor },
): ScoringMethod {
  const { classes } = alone.compiled.model;
  return {
    name: design,
    score: async ({ rows }) => designScores(rows, design, detectors),
    scoreAlone: async (input) => {
      const rows = await extractRows(alone, input);
      designScores(rows, design, detectors.slice(0, 1));
      return { forwards: rows.logits.length / classes, gradients: 0 };
    },
  };
}

/** The part of a plan that a design reads: its copies, and the taps of neurons or layers. */
export function designPlan(plan: ExtractionPlan, design: VectorDesign): ExtractionPlan {
  const { noise, transforms, neurons, levels } = designReads[design];
  return {
    ...plan,
    noise: noise || levels ? plan.noise : [],
    transforms: transforms ? plan.transforms : [],
    taps: plan.taps.filter(({ kind }) => (neurons && kind === 'units') || (levels && kind === 'levels')),
  };
}
