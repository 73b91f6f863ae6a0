// The table of a speaker model: detectors and baselines on attacked and noisy speech, by window and by utterance, and verification.
import { conformalThreshold } from '../../shared/detector/conformal-threshold.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import { type Extractor, extractRows } from '../calibrate/extract-rows.ts';
import { correctRows, type StageProgress } from '../calibrate/training-inputs.ts';
import {
  speechRecipeWithoutNoise,
  type TrainingRecipe,
  type TrainingSource,
  trainingRecipes,
} from '../calibrate/training-recipes.ts';
import { checkDataset, type Dataset, requireRows, selectDatasetRows } from '../datasets/dataset.ts';
import { baselineScores, type Columns, compareSets, type SpeakerFigures } from './speaker-figures.ts';
import {
  attackedSet,
  foreignSet,
  noisySet,
  rightWindows,
  type SpeakerAttack,
  type SpeakerSet,
  withUtterances,
} from './speaker-sets.ts';
import {
  type AttackedClaims,
  attackedClaims,
  claimErrors,
  type Embedder,
  enrol,
  type ScoreClaims,
  type VerificationScore,
  verificationScores,
} from './speaker-verification.ts';
import { designScores, designTrainer, poolExtractor } from './table-designs.ts';

/** What the table is made from. */
export interface SpeakerInputs {
  /** Compiled for `layer-levels`. */
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly run: RunAttack;
  readonly training: Dataset;
  readonly test: Dataset;
  readonly foreign: readonly { readonly name: string; readonly dataset: Dataset }[];
  /** Absent where the model has no embedding to verify by. */
  readonly embedder?: Embedder | undefined;
}

/** What the operator chooses. */
export interface SpeakerOptions {
  /** Training windows that set the thresholds and are not trained on. */
  readonly thresholdWindows: number;
  /** Radii of the fixed attacks, rising. */
  readonly budgets: readonly number[];
  /** Windows that each attack is given; all that the model gets right where it is not given. */
  readonly attackedWindows?: number | undefined;
  /** Windows that C&W and FAKEBOB are given, which take longest. */
  readonly slowWindows: number;
  /** Deviations of the noise that is no attack. */
  readonly noises: readonly number[];
  readonly seeds: readonly number[];
}

/** A row of the table. */
export interface SpeakerRow {
  readonly set: string;
  readonly adversarial: boolean;
  readonly attacked: number;
  readonly windows: number;
  readonly utterances: number;
  /** Empty where there are no windows. */
  readonly cells: Readonly<Record<string, SpeakerFigures>>;
  /** Of adversarial sets: what verification says of them. */
  readonly verified?: Readonly<Record<VerificationScore, AttackedClaims>>;
}

/** The whole table. */
export interface SpeakerTable {
  readonly model: string;
  readonly training: string;
  readonly test: string;
  /** Share of the test windows whose speaker the model names. */
  readonly accuracy: number;
  /** Equal error rate of each kind of score. */
  readonly verification?: Readonly<Record<VerificationScore, { readonly eer: number }>>;
  /** Share of the clean windows whose cross-entropy has no gradient at all in float32. */
  readonly vanished_gradients: number;
  readonly seeds: readonly number[];
  readonly rows: readonly SpeakerRow[];
}

/** What the table's detectors are trained on, by the names of their columns. */
export const speakerColumns = {
  'NCCR, Combine': speechRecipeWithoutNoise,
  'NCCR, noise-hardened': trainingRecipes['layer-levels'],
  'NCCR, FGSM': trainedOn(speechRecipeWithoutNoise, ['fgsm', 'fgsm-fixed']),
  'NCCR, PGD': trainedOn(speechRecipeWithoutNoise, ['pgd', 'pgd-fixed']),
} as const satisfies Readonly<Record<string, TrainingRecipe>>;

/**
 * Trains the detectors of the paper's 5.2 on one model and tests them beside the baselines.
 * @throws GuardError `invalid_dataset` where the data sets do not fit the model, are too small, or an attack of training never succeeds
 * @see NCCR, section 5.2, table 5
 */
export async function speakerTable(
  inputs: SpeakerInputs,
  options: SpeakerOptions,
  onStage: StageProgress,
): Promise<SpeakerTable> {
  const { extractor, target, run, training, test, embedder } = inputs;
  const fits = { inputShape: target.inputShape, classes: target.classes };
  checkDataset(training, fits);
  checkDataset(test, fits);
  requireRows(training, options.thresholdWindows + 2);
  const order = permutation(training.labels.length, seededRandom(1));
  const thresholds = selectDatasetRows(training, order.subarray(0, options.thresholdWindows));
  const trainingSet = selectDatasetRows(training, order.subarray(options.thresholdWindows));
  const known = withUtterances(test);
  const { windows: clean, wrong } = await rightWindows(target, known);
  const sets = await testSets(inputs, clean, { ...options, wrong }, onStage);
  const { noise } = extractor.compiled.plan;
  const context = {
    target,
    run,
    dataset: await correctRows(target, trainingSet),
    budgets: options.budgets,
    noise: noise[noise.length - 1].epsilon,
    seed: 10,
    made: new Map(),
  };
  const train = designTrainer(poolExtractor({ extractor, context }, onStage), options.seeds, onStage);
  const detectors: Record<string, Awaited<ReturnType<typeof train>>> = {};
  for (const [name, recipe] of Object.entries(speakerColumns)) {
    detectors[name] = await train('layer-levels', recipe);
  }
  const score = async (windows: Dataset, stage: string): Promise<Columns> => {
    const rows = await extractRows(extractor, windows.inputs, (share) => onStage(`extract ${stage}`, share));
    const trained = Object.entries(detectors).map(([name, own]) => [
      name,
      designScores(rows, 'layer-levels', own),
    ]);
    return { ...Object.fromEntries(trained), ...baselineScores(rows, windows) };
  };
  const limits = Object.fromEntries(
    Object.entries(await score(thresholds, 'threshold windows')).map(([name, seeds]) => [
      name,
      seeds.map((scores) => conformalThreshold(scores, 0.05).threshold),
    ]),
  );
  const cleanSet = { scores: await score(clean, 'clean'), windows: clean };
  const verifier = await openVerifier(embedder, { training, known, speakers: target.classes });
  const rows: SpeakerRow[] = [];
  for (const set of sets) {
    const { windows } = set;
    const some = windows.labels.length > 0;
    rows.push({
      set: set.name,
      adversarial: set.adversarial,
      attacked: set.attacked,
      windows: windows.labels.length,
      utterances: new Set(windows.utterances).size,
      cells: some ? compareSets({ scores: await score(windows, set.name), windows }, cleanSet, limits) : {},
      ...(some && set.adversarial && verifier && { verified: await verifier.judge(windows) }),
    });
  }
  return {
    model: extractor.compiled.model.name,
    training: training.name,
    test: test.name,
    accuracy: clean.labels.length / test.labels.length,
    ...(verifier && { verification: verifier.rates }),
    vanished_gradients: await vanishedGradients(target, clean),
    seeds: [...options.seeds],
    rows,
  };
}

/** Clean, noisy and misnamed windows, then attacks, then examples of other tools. */
async function testSets(
  { target, run, foreign }: SpeakerInputs,
  clean: Dataset,
  { budgets, attackedWindows, slowWindows, noises, wrong }: SpeakerOptions & { readonly wrong: Dataset },
  onStage: StageProgress,
): Promise<SpeakerSet[]> {
  const sets: SpeakerSet[] = [
    { name: 'clean', adversarial: false, attacked: clean.labels.length, windows: clean },
    { name: 'clean, misnamed', adversarial: false, attacked: wrong.labels.length, windows: wrong },
  ];
  for (const deviation of noises) sets.push(await noisySet(deviation, { target, dataset: clean }));
  for (const attack of speakerAttacks(budgets, { attackedWindows, slowWindows })) {
    sets.push(await attackedSet(attack, { target, dataset: clean, run }, onStage));
  }
  for (const examples of foreign) {
    const dataset = withUtterances(examples.dataset);
    sets.push(await foreignSet({ name: examples.name, dataset }, target));
  }
  return sets;
}

/** FGSM and PGD at every radius and at their smallest success, C&W, and FAKEBOB at the largest radius. */
function speakerAttacks(
  budgets: readonly number[],
  { attackedWindows: windows, slowWindows }: Pick<SpeakerOptions, 'attackedWindows' | 'slowWindows'>,
): SpeakerAttack[] {
  return [
    ...budgets.map((epsilon) => ({ attack: 'fgsm-fixed' as const, epsilon, windows })),
    { attack: 'fgsm', windows },
    ...budgets.map((epsilon) => ({ attack: 'pgd-fixed' as const, epsilon, windows })),
    { attack: 'pgd', windows },
    { attack: 'carlini-wagner', windows: slowWindows },
    { attack: 'fakebob', epsilon: budgets[budgets.length - 1], windows: slowWindows },
  ];
}

/** Enrols the training windows and sets each kind of score's threshold at its equal error rate on the test windows. */
async function openVerifier(
  embedder: Embedder | undefined,
  { training, known, speakers }: { training: Dataset; known: Dataset; speakers: number },
) {
  if (embedder === undefined) return undefined;
  const { labels } = training;
  const { dimensions } = embedder;
  const score: ScoreClaims = enrol(await embedder.embed(training), { labels, dimensions, speakers });
  const claims = score(await embedder.embed(known));
  const byScore = <T>(make: (kind: VerificationScore) => T) =>
    Object.fromEntries(verificationScores.map((kind) => [kind, make(kind)])) as Record<VerificationScore, T>;
  const errors = byScore((kind) => claimErrors(claims[kind], { labels: known.labels, speakers }));
  return {
    rates: byScore((kind) => ({ eer: errors[kind].rate })),
    judge: async (windows: Dataset) => {
      const seen = await embedder.embed(windows);
      const own = score(seen);
      const of = { labels: windows.labels, logits: seen.logits, speakers };
      return byScore((kind) => attackedClaims(own[kind], { ...of, threshold: errors[kind].threshold }));
    },
  };
}

/** Share of windows where an attack on the cross-entropy would stand still. */
async function vanishedGradients(target: AttackTarget, { inputs, labels }: Dataset): Promise<number> {
  const gradient = await target.lossGradient(inputs, labels);
  const size = inputs.length / labels.length;
  let none = 0;
  for (let row = 0; row < labels.length; row++) {
    if (gradient.subarray(row * size, (row + 1) * size).every((value) => value === 0)) none++;
  }
  return none / labels.length;
}

/** A recipe that is left with some of its attacks. */
function trainedOn(recipe: TrainingRecipe, attacks: readonly string[]): TrainingRecipe {
  const kept = (source: TrainingSource) => source.kind !== 'attack' || attacks.includes(source.attack);
  return {
    ...recipe,
    pools: recipe.pools.map((pool) => ({ ...pool, sources: pool.sources.filter(kept) })),
  };
}
