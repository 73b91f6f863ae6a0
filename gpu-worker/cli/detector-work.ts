// What calibration and evaluation both need of a model: its compiled graph and its gradient, loaded in one engine.
import { createHash } from 'node:crypto';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { importNoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import { type AttackTarget, attackTarget } from '../attacks/attack-target.ts';
import type { Extractor } from '../calibrate/extract-rows.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { compileModel } from '../extraction/compile-model.ts';
import { forwardModel } from '../onnx/forward-model.ts';
import { gradientModel } from '../onnx/input-gradient.ts';

/** A model ready to be extracted from and attacked. */
export interface DetectorWork {
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  close(): Promise<void>;
}

/**
 * Compiles and loads a model under a noise key that is a function of the seed, so that a run can be repeated.
 *
 * The key of a deployment is another one: the detector learns how a model reacts to noise of a kind, not to one bank.
 * @throws GuardError `invalid_model` or `unsupported_operator`
 */
export async function openDetectorWork(
  model: Uint8Array,
  { name, plan, seed }: { name: string; plan: ExtractionPlan; seed: number },
): Promise<DetectorWork> {
  const engine = await createOrtEngine({});
  try {
    const noiseKey = await importNoiseKey(
      createHash('sha256').update(`nccr-guard/experiment/${seed}`).digest(),
    );
    const { bytes, compiled } = await compileModel(model, { name, plan, noiseKey, engine });
    const [extractor, forward, gradient] = await Promise.all([
      engine.load(bytes),
      engine.load(await forwardModel(model, { engine })),
      engine.load(await gradientModel(model, { engine, head: 'cross-entropy' })),
    ]);
    const loadHead = async (head: 'margin' | 'seed') =>
      engine.load(await gradientModel(model, { engine, head }));
    const { input_shape: inputShape, classes } = compiled.model;
    return {
      extractor: { model: extractor, compiled, noiseKey },
      target: attackTarget({ forward, gradient, loadHead }, { inputShape, classes, range: plan.input_range }),
      close: () => engine.close(),
    };
  } catch (cause) {
    await engine.close();
    throw cause;
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
