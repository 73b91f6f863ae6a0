// What calibration and evaluation both need of a model: its compiled graph and its gradient, loaded in one engine.
import { createHash } from 'node:crypto';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { importNoiseKey, type NoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import { type AttackTarget, attackTarget } from '../attacks/attack-target.ts';
import { type RunAttack, runAttack } from '../attacks/run-attack.ts';
import type { Extractor } from '../calibrate/extract-rows.ts';
import { createEngine } from '../engine/create-engine.ts';
import type { Engine } from '../engine/engine.ts';
import type { EngineName } from '../engine/engine-name.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { compileModel } from '../extraction/compile-model.ts';
import { withLevelTaps } from '../extraction/level-taps.ts';
import { withUnitTaps } from '../extraction/unit-taps.ts';
import { forwardModel } from '../onnx/forward-model.ts';
import { gradientModel } from '../onnx/input-gradient.ts';
import { penultimateTap } from '../onnx/penultimate.ts';
import { keptExamples } from './kept-examples.ts';

/** A model ready to be extracted from and attacked. */
export interface DetectorWork {
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly engine: Engine;
  /** The protected model's file. */
  readonly model: Uint8Array;
  /** Compiles and loads the model under another plan and the same key. */
  readonly compile: (plan: ExtractionPlan) => Promise<Extractor>;
  /** Runs attacks, by way of the folder of examples where one is named. */
  readonly run: RunAttack;
  close(): Promise<void>;
}

/** What a model is opened for. */
export interface DetectorWorkOptions {
  readonly name: string;
  readonly plan: ExtractionPlan;
  /** Of the noise key where no other is given. */
  readonly seed: number;
  /** Key of a deployment, which a plan whose transforms are keyed needs. */
  readonly noiseKey?: NoiseKey | undefined;
  /** Folder of examples: see `keptExamples`. */
  readonly examples?: string | undefined;
  /** What runs the models; the processor where it is not given. */
  readonly engine?: EngineName | undefined;
  /** Whether the plan gets the taps that a design on neurons reads; an artefact's plan has them. */
  readonly neurons?: boolean;
  /** Whether it gets those of a design on layers under several noises, where it has none. */
  readonly levels?: boolean;
  /** Tensors of those taps: see `withUnitTaps`. */
  readonly neuronTensors?: readonly string[] | undefined;
}

/**
 * Compiles and loads a model, by default under a noise key that is a function of the seed, so that a run can be repeated.
 *
 * The key of a deployment is another one: the detector learns how a model reacts to noise of a kind, not to one bank.
 * Keyed transforms it learns as they are drawn, so these need the key itself.
 * @throws GuardError `invalid_model` or `unsupported_operator`; `invalid_config` where the engine does not work here or computes
 *   wrongly, the folder cannot be made, the plan's transforms are drawn by another key, or neurons are read and the plan has no total variation
 */
export async function openDetectorWork(
  model: Uint8Array,
  options: DetectorWorkOptions,
): Promise<DetectorWork> {
  const { name, seed, noiseKey: given, examples } = options;
  const engine = await createEngine({ engine: options.engine ?? 'cpu' });
  try {
    const withUnits = options.neurons
      ? await withUnitTaps(model, options.plan, { engine, tensors: options.neuronTensors })
      : options.plan;
    const plan = options.levels ? await withLevelTaps(model, withUnits, { engine }) : withUnits;
    const noiseKey =
      given ?? (await importNoiseKey(createHash('sha256').update(`nccr-guard/experiment/${seed}`).digest()));
    const run =
      examples === undefined
        ? runAttack
        : await keptExamples({
            folder: examples,
            modelDigest: await sha256Digest(model),
            runtime: engine.info.id,
            onDamaged: (detail) => console.error(`nccr-guard: ${detail}`),
          });
    const compile = async (wanted: ExtractionPlan): Promise<Extractor> => {
      const { bytes, compiled } = await compileModel(model, { name, plan: wanted, noiseKey, engine });
      return { model: await engine.load(bytes), compiled, noiseKey };
    };
    // One after another: a refusal of one while another is on its way would be a rejection that nobody listens to.
    const extractor = await compile(plan);
    const forward = await engine.load(await forwardModel(model, { engine }));
    const gradient = await engine.load(
      await gradientModel(model, { engine, head: 'cross-entropy', loss: false }),
    );
    const loadHead = async (head: 'margin' | 'seed') =>
      engine.load(await gradientModel(model, { engine, head, loss: false }));
    const { input_shape: inputShape, classes } = extractor.compiled.model;
    return {
      extractor,
      engine,
      model,
      compile,
      target: attackTarget({ forward, gradient, loadHead }, { inputShape, classes, range: plan.input_range }),
      run,
      close: () => engine.close(),
    };
  } catch (cause) {
    await engine.close();
    throw cause;
  }
}

/**
 * The plan with the tap of the penultimate activation beside its own, which a sequential test and a trigger check read.
 * @throws GuardError `invalid_model` where the model has no activation to tap
 */
export async function tapActivations(plan: ExtractionPlan, model: Uint8Array): Promise<ExtractionPlan> {
  const engine = await createOrtEngine({ workers: 1 });
  try {
    return { ...plan, taps: [...plan.taps, await penultimateTap(model, { engine })] };
  } finally {
    await engine.close();
  }
}

/**
 * Refuses a detector that was made for another model.
 * @param names of both files, for the error
 * @throws GuardError `invalid_artefact`
 */
export async function requireModelOf(
  artefact: DetectorArtefact,
  model: Uint8Array,
  names: { readonly detector: string; readonly model: string },
): Promise<void> {
  const digest = await sha256Digest(model);
  if (digest === artefact.model.digest) return;
  const detail = `${names.detector} was made for the model ${artefact.model.digest}, ${names.model} is ${digest}`;
  throw new GuardError('invalid_artefact', detail);
}
