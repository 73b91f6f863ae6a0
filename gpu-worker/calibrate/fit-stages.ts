// Fits the scorers of a sequential test and the order of its transforms, from rows of which every copy was run.

import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { type CopiesPlan, planCopies, planNoiseCopies } from '../../shared/contracts/extraction.ts';
import type { Mlp } from '../../shared/detector/mlp.ts';
import {
  type KnownActivations,
  stageVector,
  stageVectorLength,
} from '../../shared/detector/sequential-test.ts';
import { detectorParametersMax } from '../../shared/limits.ts';
import { auroc } from '../../shared/maths/auroc.ts';
import type { ExtractedRows, RowVectors } from './extract-rows.ts';
import { fitDetector, type PoolVectors, scoreVectors } from './fit-detector.ts';
import { rowWeights } from './pool-samples.ts';
import { fitScoreScale, type ScoredRows, scaleMlp } from './scale-scores.ts';
import { evidenceOf } from './stage-evidence.ts';
import type { TrainingOptions } from './train-mlp.ts';

/** Rows of one pool. */
export interface StagePool {
  readonly adversarial: boolean;
  readonly mass: number;
  /** One a source. */
  readonly parts: readonly ExtractedRows[];
}

/** What every fit of one test shares. */
export interface StageFit {
  readonly known: KnownActivations;
  /** Of the full test, whose copies the last stage reads. */
  readonly design: VectorDesign;
  /** Of the full test: the last stage is trained as long. */
  readonly training: Pick<TrainingOptions, 'steps' | 'batch' | 'learningRate' | 'learningRateLast'>;
  readonly seed: number;
}

/** A fitted stage. */
export interface FittedStage {
  readonly mlp: Mlp;
  /** By pool and part, each [rows]: of perceptrons that were not trained on the row. */
  readonly scores: readonly (readonly Float64Array[])[];
}

/** Rows are scored by perceptrons that were trained on the other folds. */
const folds = 3;
/** Widths of the first hidden layer, the second having half; the widest that the parameters allow is taken. */
const widths = [36, 24, 20, 16, 12, 8, 4];
/** The first stage reads four numbers. */
const firstWidth = 12;
/** Transforms that are ordered by what they tell; the others follow in the plan's order. */
const orderedMax = 4;
/** Stages read little: a shorter training than that of the full test keeps them from learning rows by heart. */
const stageTraining = { steps: 3000, batch: 128 };
/** Sets of transforms are many, and only compared. */
const orderTraining = { steps: 1500, batch: 128 };
/** How much the source that a set of transforms tells least of counts beside the mean of all. */
const worstShare = 0.5;

/** What the copies of a plan are run as, stage by stage: 0 is the input, then the copies from 1. */
export function stageRuns(plan: CopiesPlan, order: readonly number[]): number[][] {
  const noised = planNoiseCopies(plan);
  const transforms = order.map((transform) => 1 + noised + transform);
  const noise = Array.from({ length: noised }, (_, copy) => 1 + copy);
  const stages = [[0], ...transforms.slice(0, orderedMax).map((run) => [run]), transforms.slice(orderedMax)];
  // Noise tells no more the second time than the first: each stage doubles what is there.
  const noiseStages =
    transforms.length > 0
      ? [noise]
      : [noise.slice(0, 2), noise.slice(2, 4), noise.slice(4, 8), noise.slice(8, 16), noise.slice(16)];
  return [...stages, ...noiseStages]
    .filter((runs) => runs.length > 0)
    .map((runs) => [...runs].sort((left, right) => left - right));
}

/**
 * Orders the transforms of a plan by what they tell: the best alone, the one that adds most to it, and so on. Each set is
 * fitted on half of the rows and judged on the other half.
 * @returns indices of the plan's transforms
 */
export function orderTransforms(pools: readonly StagePool[], plan: CopiesPlan, fit: StageFit): number[] {
  const noised = planNoiseCopies(plan);
  const left = plan.transforms.map((_, index) => index);
  const order: number[] = [];
  while (order.length < orderedMax && left.length > 1) {
    let best = { index: left[0], worth: Number.NEGATIVE_INFINITY };
    for (const index of left) {
      const seen = [0, ...[...order, index].map((transform) => 1 + noised + transform)].sort((a, b) => a - b);
      const worth = setWorth(pools, seen, fit);
      if (worth > best.worth) best = { index, worth };
    }
    order.push(best.index);
    left.splice(left.indexOf(best.index), 1);
  }
  return [...order, ...left];
}

/**
 * Fits the scorer of one stage, on the scale of the others.
 * @param seen what was run by then
 * @throws Error where a side of the pools has no rows
 */
export function fitStage(pools: readonly StagePool[], seen: readonly number[], fit: StageFit): FittedStage {
  const vectors = poolVectors(pools, seen, fit);
  const isLast = seen.length === planCopies(pools[0].parts[0].compiled.plan) + 1;
  const { length } = vectors[0].parts[0];
  const hidden = hiddenWidths(length, seen.length === 1);
  const training = isLast ? fit.training : { ...fit.training, ...stageTraining };
  const recipe = { hidden, training };
  const outside = Array.from({ length: folds }, (_, fold) =>
    fitDetector(
      pick(vectors, (row) => row % folds !== fold),
      recipe,
      fit.seed,
    ),
  );
  const scores = vectors.map(({ parts }) =>
    parts.map((part) => {
      const byFold = outside.map((mlp) => scoreVectors(mlp, part));
      return Float64Array.from({ length: part.count }, (_, row) => byFold[row % folds][row]);
    }),
  );
  const scale = fitScoreScale(weighted(vectors, scores));
  return {
    mlp: scaleMlp(fitDetector(vectors, recipe, fit.seed), scale),
    scores: scores.map((parts) =>
      parts.map((part) => part.map((score) => scale.slope * score + scale.offset)),
    ),
  };
}

/** Rows of all pools with what they count in the loss of `fitDetector`. */
function weighted(pools: readonly PoolVectors[], scores: readonly (readonly Float64Array[])[]): ScoredRows {
  const weights = rowWeights(pools);
  const rows = pools.flatMap((pool, index) => {
    const weight = weights[index];
    const adversarial = pool.adversarial ? 1 : 0;
    return scores[index].flatMap((part) => Array.from(part, (score) => ({ score, adversarial, weight })));
  });
  return {
    scores: rows.map(({ score }) => score),
    adversarial: rows.map(({ adversarial }) => adversarial),
    weights: rows.map(({ weight }) => weight),
  };
}

/** Vectors of rows at a stage. */
export function stageVectors(
  rows: ExtractedRows,
  seen: readonly number[],
  { known, design }: Pick<StageFit, 'known' | 'design'>,
): RowVectors {
  const { plan, model } = rows.compiled;
  const of = { plan, classes: model.classes, design, known };
  const length = stageVectorLength(of, seen);
  const vectors = new Float64Array(rows.count * length);
  for (let row = 0; row < rows.count; row++) {
    vectors.set(stageVector(of, evidenceOf(rows, row), seen), row * length);
  }
  return { count: rows.count, length, vectors };
}

function poolVectors(pools: readonly StagePool[], seen: readonly number[], fit: StageFit): PoolVectors[] {
  return pools.map(({ adversarial, mass, parts }) => ({
    adversarial,
    mass,
    parts: parts.map((part) => stageVectors(part, seen, fit)),
  }));
}

function setWorth(pools: readonly StagePool[], seen: readonly number[], fit: StageFit): number {
  const vectors = poolVectors(pools, seen, fit);
  const training = { ...fit.training, ...orderTraining };
  const recipe = { hidden: hiddenWidths(vectors[0].parts[0].length, false), training };
  const mlp = fitDetector(
    pick(vectors, (row) => row % 2 === 0),
    recipe,
    fit.seed,
  );
  const judged = pick(vectors, (row) => row % 2 === 1).map(({ adversarial, parts }) => ({
    adversarial,
    scores: parts.map((part) => scoreVectors(mlp, part)).filter(({ length }) => length > 0),
  }));
  const clean = judged.flatMap(({ adversarial, scores }) =>
    adversarial ? [] : scores.flatMap((part) => [...part]),
  );
  const areas = judged.flatMap(({ adversarial, scores }) =>
    adversarial ? scores.map((part) => auroc(part, clean)) : [],
  );
  return areas.reduce((sum, area) => sum + area, 0) / areas.length + worstShare * Math.min(...areas);
}

function hiddenWidths(length: number, isFirst: boolean): [number, number] {
  if (isFirst) return [firstWidth, firstWidth / 2];
  const fitting = widths.find((width) => {
    const half = width / 2;
    return length * width + width + width * half + half + 2 * half + 2 <= detectorParametersMax;
  });
  const width = fitting ?? widths[widths.length - 1];
  return [width, width / 2];
}

/** The rows of all pools that a rule keeps. */
function pick(pools: readonly PoolVectors[], keeps: (row: number) => boolean): PoolVectors[] {
  return pools.map((pool) => ({ ...pool, parts: pool.parts.map((part) => pickRows(part, keeps)) }));
}

function pickRows({ count, length, vectors }: RowVectors, keeps: (row: number) => boolean): RowVectors {
  const kept = Array.from({ length: count }, (_, row) => row).filter(keeps);
  const picked = new Float64Array(kept.length * length);
  for (const [index, row] of kept.entries()) {
    picked.set(vectors.subarray(row * length, (row + 1) * length), index * length);
  }
  return { count: kept.length, length, vectors: picked };
}
