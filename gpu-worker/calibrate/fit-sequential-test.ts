// From extracted rows to a sequential test: order, scorers, bounds of doubt, and the threshold of the whole.
import type { SequentialTest, VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { CompiledModel } from '../../shared/contracts/extraction.ts';
import { packGaussian } from '../../shared/detector/activation-gaussian.ts';
import { packLayer, parameterCount, toBase64 } from '../../shared/detector/mlp.ts';
import { loadSequentialTest } from '../../shared/detector/sequential-test.ts';
import { mlpToOnnx } from '../onnx/mlp-graph.ts';
import { chooseDoubt, type Doubt } from './choose-doubt.ts';
import { conformalPromise } from './conformal-promise.ts';
import { type ExtractedRows, predictedLabels } from './extract-rows.ts';
import { scoreVectors } from './fit-detector.ts';
import { fitDirection } from './fit-direction.ts';
import {
  type FittedStage,
  fitStage,
  orderTransforms,
  type StageFit,
  type StagePool,
  stageRuns,
  stageVectors,
} from './fit-stages.ts';
import { gaussianOf, meanCopies, sequentialRows } from './stage-evidence.ts';
import type { StageProgress } from './training-inputs.ts';

/** What a test is fitted to. */
export interface SequentialInputs {
  readonly compiled: CompiledModel;
  /** Clean rows that the Gaussians of the activations are fitted to. */
  readonly gaussianRows: ExtractedRows;
  /**
   * Rows made from the images of `gaussianRows`: the direction of the activations is fitted to them, and their distances are too
   * small, so the first stage learns nothing of them.
   */
  readonly seenPools: readonly StagePool[];
  /** The same pools made from other images; the first one is of clean inputs as they come. */
  readonly unseenPools: readonly StagePool[];
  /** As many clean rows that the model gets wrong as come with the first of `unseenPools`: they cost more than others. */
  readonly wrongRows: ExtractedRows;
  /** Clean rows that took no part in anything before: they set the threshold. */
  readonly thresholdRows: ExtractedRows;
}

/** What the operator chooses. */
export interface SequentialOptions extends Omit<StageFit, 'known'> {
  readonly targetFpr: number;
  readonly perClass?: boolean;
  /** Mean copies that a clean input may cost; a default by the plan where it is not given. */
  readonly copiesMean?: number | undefined;
}

/**
 * Mean copies that clean inputs may cost, of transforms and of noise, which tells less. Inputs that the model gets wrong are
 * counted here and cost most; those that it gets right then cost less than three and two.
 */
const copiesMeanDefault = { transforms: 3.4, noise: 1.7 };
/** The share of clean inputs that may end early as adversarial, of the target rate: few enough to leave it to the threshold. */
const upperShare = 0.1;
/** Vectors that each stage carries so that whoever loads it can check its own arithmetic. */
const selfCheckVectors = 4;

/**
 * Fits a sequential test.
 *
 * Everything but the threshold is fixed before a row of `thresholdRows` is looked at, and the threshold is set on the scores
 * at which the whole test ends on them: new clean inputs are exchangeable with them, so that the rate holds whatever the
 * bounds of doubt are.
 * @throws GuardError `invalid_dataset` where there are too few rows for the Gaussians or for the target rate
 * @see Wald, "Sequential tests of statistical hypotheses" (1945), for the idea; Vovk et al. (2005) for the threshold
 */
export function fitSequentialTest(
  inputs: SequentialInputs,
  { targetFpr, perClass = false, copiesMean, ...training }: SequentialOptions,
  onStage: StageProgress,
): SequentialTest {
  const { compiled, unseenPools, seenPools, thresholdRows } = inputs;
  const { plan } = compiled;
  // Foreign examples belong to no image and stand with the unseen ones.
  const ofDirection = seenPools.some(
    ({ adversarial, parts }) => adversarial && parts.some(({ count }) => count > 0),
  )
    ? seenPools
    : unseenPools;
  const known = {
    gaussian: gaussianOf(inputs.gaussianRows),
    direction: fitDirection(ofDirection, training.seed),
  };
  const fit: StageFit = { ...training, known };
  const allPools = unseenPools.map((pool, index) => ({
    ...pool,
    parts: [...pool.parts, ...seenPools[index].parts],
  }));
  onStage('order transforms', 0);
  const runs = stageRuns(plan, orderTransforms(allPools, plan, fit));
  const seen = runs.map((_, stage) =>
    runs
      .slice(0, stage + 1)
      .flat()
      .sort((left, right) => left - right),
  );
  const fitted = seen.map((known, stage) => {
    onStage('fit stages', stage / seen.length);
    return fitStage(stage === 0 ? unseenPools : allPools, known, fit);
  });
  onStage('fit stages', 1);
  const sources = unseenPools.flatMap(({ adversarial, parts }, pool) =>
    parts.map((_, part) => ({
      adversarial,
      isPlain: pool === 0,
      scores: fitted.map(({ scores }) => scores[pool][part]),
    })),
  );
  const wrong = fitted.map(({ mlp }, stage) =>
    scoreVectors(mlp, stageVectors(inputs.wrongRows, seen[stage], fit)),
  );
  const kind = plan.transforms.length > 0 ? 'transforms' : 'noise';
  const costly = { adversarial: false, isPlain: true, isCostOnly: true, scores: wrong };
  const doubts = chooseDoubt([...sources, costly], {
    copies: seen.map((known) => known.length - 1),
    copiesMean: copiesMean ?? copiesMeanDefault[kind],
    upperRate: upperShare * targetFpr,
  });
  const stages = fitted.map((stage, index) =>
    packStage({ ...stage, runs: runs[index], seen: seen[index], doubt: doubts[index] }, fit, thresholdRows),
  );
  return withThreshold(
    { activations: packGaussian(known.gaussian), direction: toBase64(known.direction), stages },
    { compiled, thresholdRows, design: fit.design, targetFpr, perClass },
  );
}

function packStage(
  {
    mlp,
    runs,
    seen,
    doubt,
  }: FittedStage & { runs: readonly number[]; seen: readonly number[]; doubt: Doubt | undefined },
  fit: StageFit,
  rows: ExtractedRows,
): SequentialTest['stages'][number] {
  const vectors = stageVectors(rows, seen, fit);
  const { length } = vectors;
  const checks = Math.min(selfCheckVectors, rows.count);
  return {
    runs: [...runs],
    standardise: { mean: [...mlp.mean], deviation: [...mlp.deviation], clip: mlp.clip },
    mlp: { layers: mlp.layers.map(packLayer), parameters: parameterCount(mlp.layers) },
    onnx: Buffer.from(mlpToOnnx(mlp)).toString('base64'),
    self_check: {
      vectors: Array.from({ length: checks }, (_, row) => [
        ...vectors.vectors.subarray(row * length, (row + 1) * length),
      ]),
      scores: [...scoreVectors(mlp, vectors).subarray(0, checks)],
    },
    ...(doubt !== undefined && {
      doubt: { lower: Number.isFinite(doubt.lower) ? doubt.lower : null, upper: doubt.upper },
    }),
  };
}

/** Sets the threshold with the very code that the edge decides by. */
function withThreshold(
  test: Pick<SequentialTest, 'activations' | 'direction' | 'stages'>,
  {
    compiled,
    thresholdRows,
    design,
    targetFpr,
    perClass,
  }: {
    compiled: CompiledModel;
    thresholdRows: ExtractedRows;
    design: VectorDesign;
    targetFpr: number;
    perClass: boolean;
  },
): SequentialTest {
  const ended = sequentialRows(
    loadSequentialTest({ ...compiled, vector: { design } }, test),
    thresholdRows,
    design,
  );
  const labelled = { scores: ended.scores, predicted: predictedLabels(thresholdRows) };
  return {
    ...test,
    threshold: conformalPromise(labelled, { targetFpr, perClass }),
    clean_copies: meanCopies(ended),
  };
}
