// The sequential test of a design as a column of a table: fitted on the design's own rows, and run stage by stage.
import { assert } from '../../shared/assert.ts';
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import {
  changeColumns,
  type ExtractionPlan,
  planCopies,
  planNoiseCopies,
} from '../../shared/contracts/extraction.ts';
import { mlpScore } from '../../shared/detector/mlp.ts';
import {
  isInDoubt,
  type LoadedTest,
  loadSequentialTest,
  stagePlan,
  stageVector,
} from '../../shared/detector/sequential-test.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { type ExtractedRows, type Extractor, extractRows, rowChanges } from '../calibrate/extract-rows.ts';
import { gaussianShare, wrongRows } from '../calibrate/extracted-pools.ts';
import { fitSequentialTest } from '../calibrate/fit-sequential-test.ts';
import type { StagePool } from '../calibrate/fit-stages.ts';
import { narrowPlan, narrowRows } from '../calibrate/narrow-rows.ts';
import { pickRows } from '../calibrate/pick-rows.ts';
import { meanCopies, sequentialRows } from '../calibrate/stage-evidence.ts';
import type { StageProgress } from '../calibrate/training-inputs.ts';
import { trainingRecipes } from '../calibrate/training-recipes.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { extract } from '../extraction/extract.ts';
import type { ScoringMethod } from './scoring-method.ts';
import { designPlan, type ExtractedPool, type ExtractPools } from './table-designs.ts';

/** Designs that a sequential test comes to, stage by stage. */
export const sequentialDesigns = [
  'rank-gaps',
  'margin-changes',
  'margin-changes+rank-gaps',
] as const satisfies readonly VectorDesign[];
export type SequentialDesign = (typeof sequentialDesigns)[number];

/** What a column is called. */
export function sequentialName(design: SequentialDesign): string {
  return `${design}, sequential`;
}

/** What tests are fitted to. */
export interface SequentialSetting {
  readonly extractPools: ExtractPools;
  /** Images that the pools were made of. */
  readonly images: number;
  /** Compiled with every copy that the designs read and the tap of the penultimate activation. */
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  /** Images of training, those that the model gets wrong included. */
  readonly trainingSet: Dataset;
  /** Clean inputs that set the threshold. */
  readonly thresholdSet: Dataset;
  /** Compiles and loads the model under another plan. */
  readonly compile: (plan: ExtractionPlan) => Promise<Extractor>;
  readonly seeds: readonly number[];
  readonly targetFpr: number;
  /** Mean copies that a clean input may cost; that of calibration where it is not given. */
  readonly copiesMean?: number | undefined;
}

/**
 * Fits the sequential tests of designs, one a seed, on the rows that the design itself is trained on.
 *
 * The last third of the images is what the Gaussians of the activations are fitted to, so that whatever was made of them stays
 * out of the first stage, as in calibration.
 * @throws GuardError `invalid_dataset` where there are too few rows
 */
export async function openSequentialTests(
  designs: readonly SequentialDesign[],
  setting: SequentialSetting,
  onStage: StageProgress,
): Promise<ScoringMethod[]> {
  if (designs.length === 0) return [];
  const { extractor, target, trainingSet, thresholdSet } = setting;
  const wrong = await wrongRows({ extractor, target }, trainingSet);
  const allRows = await extractRows(extractor, thresholdSet.inputs, (share) =>
    onStage('extract threshold set', share),
  );
  const methods: ScoringMethod[] = [];
  for (const design of designs) {
    const thresholdRows = designRows(allRows, design);
    methods.push(await openSequential(design, { ...setting, thresholdRows, wrongRows: wrong }, onStage));
  }
  return methods;
}

async function openSequential(
  design: SequentialDesign,
  setting: SequentialSetting & { readonly thresholdRows: ExtractedRows; readonly wrongRows: ExtractedRows },
  onStage: StageProgress,
): Promise<ScoringMethod> {
  const { extractPools, images, seeds, targetFpr, copiesMean, compile, thresholdRows } = setting;
  const recipe = trainingRecipes[design];
  const pools = await extractPools(recipe);
  const firstOfGaussians = images - Math.max(1, Math.round(gaussianShare * images));
  const part = (isOfGaussians: boolean): StagePool[] =>
    pools.map((pool) => partPool(pool, design, (origin) => origin >= firstOfGaussians === isOfGaussians));
  const [unseenPools, seenPools] = [part(false), part(true)];
  const { compiled } = thresholdRows;
  const gaussianRows = seenPools[0].parts[0];
  const wrong = designRows(setting.wrongRows, design);
  const of = { ...compiled, vector: { design } };
  const tests = seeds.map((seed) => {
    const test = fitSequentialTest(
      { compiled, unseenPools, seenPools, gaussianRows, wrongRows: wrong, thresholdRows },
      { seed, targetFpr, copiesMean, design, training: recipe.training ?? {} },
      (stage, share) => onStage(`${stage} of ${sequentialName(design)}`, share),
    );
    return loadSequentialTest(of, test);
  });
  const [first] = tests;
  const stages: Extractor[] = [];
  for (const { runs } of first.stages) stages.push(await compile(stagePlan(compiled.plan, runs)));
  return {
    name: sequentialName(design),
    score: async ({ rows }) => {
      const own = designRows(rows, design);
      return tests.map((test) => sequentialRows(test, own, design).scores);
    },
    meanForwards: ({ rows }) => meanCopies(sequentialRows(first, designRows(rows, design), design)) + 1,
    scoreAlone: async (input) => {
      const forwards = await runStages({ test: first, stages, plan: compiled.plan, design }, input);
      return { forwards, gradients: 0 };
    },
  };
}

/** The copies that a design reads, with the tapped activations of the input and no other tap. */
function designRows(rows: ExtractedRows, design: SequentialDesign): ExtractedRows {
  const { plan } = rows.compiled;
  const { noise, transforms } = designPlan(plan, design);
  const kept = { noise: noise.length > 0, transforms };
  const taps = plan.taps.filter(({ kind }) => kind === 'activations');
  const compiled = { ...rows.compiled, plan: { ...narrowPlan(plan, kept), taps } };
  return { ...narrowRows(rows, kept), compiled, changes: activationsOf(rows) };
}

/** The columns of the tapped activations, [count, neurons]. */
function activationsOf(rows: ExtractedRows): Float32Array {
  const columns = changeColumns(rows.compiled.plan);
  const first = columns.findIndex(({ quantity }) => quantity === 'activation');
  const neurons = columns.filter(({ quantity }) => quantity === 'activation').length;
  assert(neurons > 0, 'the plan of a sequential test taps the activations');
  const activations = new Float32Array(rows.count * neurons);
  for (let row = 0; row < rows.count; row++) {
    activations.set(rowChanges(rows, row).subarray(first, first + neurons), row * neurons);
  }
  return activations;
}

/** The rows of a pool that were made of some of the images. */
function partPool(
  { adversarial, mass, parts }: ExtractedPool,
  design: SequentialDesign,
  keeps: (origin: number) => boolean,
): StagePool {
  return {
    adversarial,
    mass,
    parts: parts.map(({ rows, origins }) => pickRows(designRows(rows, design), (row) => keeps(origins[row]))),
  };
}

/** A test with the graph of each stage. */
interface RunStages {
  readonly test: LoadedTest;
  readonly stages: readonly Extractor[];
  readonly plan: ExtractionPlan;
  readonly design: SequentialDesign;
}

/**
 * Judges one input as a guard does: each stage is a run of its own graph, and the next one is run only in doubt.
 * @returns forward passes
 */
async function runStages({ test, stages, plan, design }: RunStages, input: Float32Array): Promise<number> {
  const { input_shape: inputShape, classes } = stages[0].compiled.model;
  const of = { plan, classes, design, known: test.known };
  const logits = new Float32Array((planCopies(plan) + 1) * classes);
  let activations = new Float32Array(0);
  const noised = planNoiseCopies(plan);
  const selection = await selectRows(stages[0].noiseKey, plan, input);
  for (const [index, { model }] of stages.entries()) {
    const { runs, seen, mlp, doubt } = test.stages[index];
    const copies = runs.filter((run) => run >= 1 && run <= noised);
    const rows = copies.map((copy) => selection.rows[copy - 1]);
    const signs = copies.map((copy) => selection.signs[copy - 1]);
    const extraction = await extract(model, { x: input, inputShape, selections: [{ rows, signs }] });
    for (const [place, run] of runs.entries()) {
      logits.set(extraction.logits.subarray(place * classes, (place + 1) * classes), run * classes);
    }
    if (extraction.changes !== undefined) activations = Float32Array.from(extraction.changes);
    const score = mlpScore(mlp, stageVector(of, { logits, activations }, seen));
    if (!isInDoubt({ doubt }, score)) return seen.length;
  }
  return planCopies(plan) + 1;
}
