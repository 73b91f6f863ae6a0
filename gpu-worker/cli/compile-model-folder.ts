// `nccr-guard model compile` of a TensorFlow.js model: its folder in, one file for the gpu-worker's engine tfjs out.
import { designReads, type VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { type NoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import type { Engine } from '../engine/engine.ts';
import { createOrtEngine } from '../engine/ort-engine.ts';
import { writeArchive } from '../engine/tfjs-archive.ts';
import { createTfjsEngine, installedBackend } from '../engine/tfjs-engine.ts';
import type { Compilation } from '../extraction/compile-model.ts';
import { compileTfjsModel, type TwinModel } from '../extraction/compile-tfjs.ts';
import { forwardModel } from '../onnx/forward-model.ts';
import { buildOn } from '../onnx/graph.ts';
import { logitsTensor, modelInput } from '../onnx/model-ends.ts';
import { loadModel } from '../onnx/model-file.ts';
import { type PlanOptions, planOfOptions } from './plan-options.ts';
import { readInput } from './read-file.ts';
import { readModelFolder } from './read-model-folder.ts';

/** What the command was told. */
export interface CompileFolderOptions extends PlanOptions {
  readonly name: string;
  readonly out: string;
  readonly vector: VectorDesign;
  readonly screening?: unknown;
  readonly output?: string;
  readonly channelsFirst?: boolean;
  readonly sameAs?: string;
}

/** Plans and where what is compiled with each goes. */
export type PlannedFile = { readonly plan: ExtractionPlan; readonly out: string };

/**
 * Compiles the model of a folder with each plan.
 * @param planned of a detector; undefined where the options say the plan
 * @throws GuardError `invalid_config` where an option is not one for these models or no package of TensorFlow.js is installed;
 *   what `readModelFolder` and `compileTfjsModel` throw
 */
export async function compileModelFolder(
  path: string,
  options: CompileFolderOptions,
  {
    noiseKey,
    planned,
  }: { readonly noiseKey: NoiseKey; readonly planned: readonly PlannedFile[] | undefined },
): Promise<(Compilation & { readonly out: string })[]> {
  refuseOptions(options, planned !== undefined);
  const files = await readModelFolder(path);
  const engine = await createTfjsEngine({ backend: installedBackend(), workers: 1 });
  const onnx = options.sameAs === undefined ? undefined : await createOrtEngine({ workers: 1 });
  try {
    const twin =
      options.sameAs === undefined || onnx === undefined ? undefined : await twinModel(options.sameAs, onnx);
    const plans = planned ?? [
      { plan: await planOfFolder(options, { engine, archive: writeArchive({ files }) }), out: options.out },
    ];
    const { name, channelsFirst = false } = options;
    const compilations = [];
    for (const { plan, out } of plans) {
      const made = { name, plan, noiseKey, engine, channelsFirst, ...(twin && { twin }) };
      compilations.push({ out, ...(await compileTfjsModel(files, made)) });
    }
    return compilations;
  } finally {
    await Promise.all([engine.close(), onnx?.close()]);
  }
}

function refuseOptions(options: CompileFolderOptions, hasDetector: boolean): void {
  const refuse = (detail: string): never => {
    throw new GuardError('invalid_config', detail);
  };
  if (options.screening !== undefined) refuse('--screening takes ONNX models');
  if (options.output !== undefined)
    refuse('--output is read of ONNX models: a TensorFlow.js model has one output');
  const { neurons, levels } = designReads[options.vector];
  if (!hasDetector && (neurons || levels)) {
    refuse(`--vector ${options.vector} taps ONNX models: give the detector with --detector`);
  }
}

async function planOfFolder(
  options: CompileFolderOptions,
  { engine, archive }: { readonly engine: Engine; readonly archive: Uint8Array },
): Promise<ExtractionPlan> {
  const loaded = await engine.load(archive);
  const shape = loaded.inputs[0].shape.slice(1);
  await loaded.release();
  return planOfOptions(options, {
    design: options.vector,
    channels: shape.length === 3 ? shape[2] : shape[0],
  });
}

/** The ONNX file whose detectors are to fit. */
async function twinModel(path: string, engine: Engine): Promise<TwinModel> {
  const bytes = await readInput(path);
  const graph = buildOn(loadModel(bytes), 'guard');
  return {
    digest: await sha256Digest(bytes),
    forward: await engine.load(await forwardModel(bytes, { engine })),
    inputName: modelInput(graph).name,
    outputName: logitsTensor(graph),
  };
}
