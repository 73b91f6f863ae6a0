// LeNet-5 compiled for a small plan, and a detector artefact bound to it.
import { readFile } from 'node:fs/promises';
import type { Engine } from '../../gpu-worker/engine/engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { stagePlan } from '../../shared/detector/sequential-test.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { type DetectorFixture, detectorFixture } from './detector-fixture.ts';

const modelFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
const usualPlan = extractionPlanSchema.parse({
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.25, rows: 32, copies: 4 }],
  transforms: [],
  taps: [],
});

/** What a guard of LeNet-5 is made of. */
export interface LenetGuard {
  readonly name: string;
  /** The compiled model's file. */
  readonly compiled: Uint8Array<ArrayBuffer>;
  /** Those of the parts. */
  readonly compiledParts: readonly Uint8Array<ArrayBuffer>[];
  /** A detector whose weights are by hand: its verdicts are not good, but they are always the same. */
  readonly artefact: Uint8Array;
  readonly inputName: string;
  readonly inputShape: readonly number[];
}

/** What tests choose of it. */
export interface LenetGuardOptions extends Pick<DetectorFixture, 'threshold' | 'design' | 'spoil'> {
  readonly noiseKeyHex: string;
  /** Another network in place of the demo's, as an ONNX file. */
  readonly file?: Uint8Array;
  /** Four copies with noise where it is not given. */
  readonly plan?: ExtractionPlan;
  /** Parts of the plan that are compiled beside it, each as `only` says. */
  readonly parts?: readonly (readonly number[])[];
}

/** Compiles the demo's model and makes a detector for it. */
export async function lenetGuard(
  engine: Engine,
  { noiseKeyHex, file: own, plan = usualPlan, parts = [], ...detector }: LenetGuardOptions,
): Promise<LenetGuard> {
  const name = 'mnist-lenet5';
  const noiseKey = await importNoiseKeyHex(noiseKeyHex);
  const file = own ?? (await readFile(modelFile));
  const { bytes, compiled } = await compileModel(file, { name, plan, noiseKey, engine });
  const compiledParts = await Promise.all(
    parts.map(async (runs) => {
      return (await compileModel(file, { name, plan: stagePlan(plan, runs), noiseKey, engine })).bytes;
    }),
  );
  const { model } = compiled;
  const artefact = await detectorFixture({
    model: name,
    modelDigest: model.digest,
    inputName: model.input_name,
    inputShape: model.input_shape,
    classes: model.classes,
    plan,
    ...detector,
  });
  return {
    name,
    compiled: bytes,
    compiledParts,
    artefact,
    inputName: model.input_name,
    inputShape: model.input_shape,
  };
}
