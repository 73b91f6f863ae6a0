// One training set with known poison: our screening and every baseline on it, in one run.
import { assert } from '../../shared/assert.ts';
import { classSourceOfRows, screenClusters } from '../../shared/clustering/screen-clusters.ts';
import type { MethodScore, ScreeningRow, SeedVerdict } from '../../shared/contracts/screening-table.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import type { PoisonedSet } from '../datasets/poisoned-set.ts';
import type { Engine } from '../engine/engine.ts';
import { openPenultimatePass } from './penultimate-pass.ts';
import { scoreSuspicion } from './score-suspicion.ts';
import { scoreBaselines } from './screening-baselines.ts';
import type { MethodSettings, OwnMethod } from './screening-methods.ts';
import { type ScreeningVectors, screeningVectors } from './screening-vectors.ts';

/** A model and the set that it was trained on. */
export interface KnownPoisonWork {
  readonly engine: Engine;
  /** The protected model's file. */
  readonly model: Uint8Array;
  readonly set: PoisonedSet;
  /** Lowest and highest valid value of the input. */
  readonly range: readonly [number, number];
}

/** What is said of the set beside its rows. */
export interface KnownPoisonNames {
  readonly name: string;
  /** What is planted; not read where nothing is. */
  readonly trigger: string;
  readonly cleanLabel: boolean;
}

/** What to run. */
export interface KnownPoisonOptions extends MethodSettings {
  readonly own: readonly OwnMethod[];
  readonly baselines: boolean;
  /** The first gives the figures; under the others our verdicts are tried again, on a clean set with noise of their own. */
  readonly seeds: readonly number[];
}

/** Told of each part of the work, and of the share done of it. */
export type PartProgress = (part: string, share: number) => void;

/**
 * Runs every method on a set.
 * @throws GuardError `invalid_model` where the model has no penultimate layer that can be read; `invalid_dataset` where set and
 *   model do not fit
 */
export async function screenKnownPoison(
  work: KnownPoisonWork,
  names: KnownPoisonNames,
  options: KnownPoisonOptions,
  onPart: PartProgress = () => {},
): Promise<ScreeningRow> {
  const { model, set } = work;
  const methods: Record<string, MethodScore> = {};
  const seeds: SeedVerdict[] = [];
  let classes = 0;
  for (const method of options.own) {
    const tried = await tryOwn(method, { work, options, onPart });
    classes = tried.classes;
    methods[method] = tried.scores[0];
    for (const [index, { flagged, f1 }] of tried.scores.entries()) {
      seeds.push({ method, seed: options.seeds[index], flagged: flagged ?? [], f1 });
    }
  }
  if (options.baselines) Object.assign(methods, await tryBaselines(work, options, onPart));
  return { ...describe(set, names), classes, model_digest: await sha256Digest(model), methods, seeds };
}

async function tryBaselines(
  { engine, model, set, range }: KnownPoisonWork,
  options: KnownPoisonOptions,
  onPart: PartProgress,
): Promise<Record<string, MethodScore>> {
  onPart('activations', 0);
  const pass = await openPenultimatePass(model, set.dataset, { engine });
  try {
    return await scoreBaselines({ set, pass, range }, options, onPart);
  } finally {
    await pass.close();
  }
}

/** What is planted where. */
function describe(
  { dataset: { labels }, planted }: PoisonedSet,
  { name, trigger, cleanLabel }: KnownPoisonNames,
): Omit<ScreeningRow, 'classes' | 'model_digest' | 'methods' | 'seeds'> {
  const examples = labels.length;
  if (planted.length === 0) {
    const nothing = {
      trigger: null,
      clean_label: false,
      target: null,
      rate: 0,
      planted: 0,
      clean_in_target: 0,
    };
    return { name, examples, ...nothing };
  }
  const target = labels[planted[0]];
  const inTarget = labels.reduce((sum, label) => sum + (label === target ? 1 : 0), 0);
  return {
    name,
    examples,
    trigger,
    clean_label: cleanLabel,
    target,
    rate: planted.length / (cleanLabel ? inTarget : examples),
    planted: planted.length,
    clean_in_target: inTarget - planted.length,
  };
}

/** One of our modes under every seed. */
async function tryOwn(
  mode: OwnMethod,
  running: {
    readonly work: KnownPoisonWork;
    readonly options: KnownPoisonOptions;
    readonly onPart: PartProgress;
  },
): Promise<{ scores: MethodScore[]; classes: number }> {
  const { work, options, onPart } = running;
  const { dataset, planted } = work.set;
  const scores: MethodScore[] = [];
  let read: ScreeningVectors | undefined;
  for (const seed of options.seeds) {
    // Other noise on a poisoned set would only repeat the figures; on a clean one it is another chance of a false flag.
    if (read === undefined || (mode === 'nccr' && planted.length === 0)) {
      read = await screeningVectors(work, { mode, seed, onProgress: (share) => onPart(mode, share) });
    }
    const startedAt = performance.now();
    const source = classSourceOfRows({ ...read, labels: dataset.labels });
    const { poisoned, verdicts } = await screenClusters(source, { seed });
    const seconds = read.seconds + (performance.now() - startedAt) / 1000;
    const rows = verdicts.flatMap((verdict) =>
      verdict.verdict === 'poisoned' ? verdict.suspects.map(({ row }) => row) : [],
    );
    const suspicion = { rows: Uint32Array.from(rows).sort(), labels: poisoned };
    scores.push(scoreSuspicion(suspicion, { planted, labels: dataset.labels }, { seconds }));
  }
  assert(read !== undefined, 'there is a seed');
  return { scores, classes: read.classes };
}
