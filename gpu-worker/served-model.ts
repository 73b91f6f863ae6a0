// A model as the server offers it, and how one is made from an ONNX file.
import { extractionParameters } from '../shared/contracts/extraction.ts';
import type { Parameters } from '../shared/contracts/inference.ts';
import { screeningVersion } from '../shared/contracts/screening.ts';
import { sha256Digest } from '../shared/noise/noise-key.ts';
import { partVersion, planDigest } from '../shared/noise/plan-digest.ts';
import type { Engine, LoadedModel } from './engine/engine.ts';
import { readCompiledModel } from './extraction/compile-model.ts';

/** A model under its name. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly loaded: LoadedModel;
  /** Flat parameters of the model's metadata and of every answer. */
  readonly parameters: Parameters;
  /** Whether each row of a batch is run by itself; see `runRows`. */
  readonly rowByRow: boolean;
}

/** The protocol wants a version: of the graph of a whole plan, and of models that are served as they are. */
export const wholeVersion = '1';

/**
 * Loads a compiled model under the name that it carries.
 * @throws GuardError `invalid_model` where the file is no compiled model
 */
export async function loadCompiledModel(engine: Engine, bytes: Uint8Array): Promise<ServedModel> {
  const { model, plan, screening, noise_key_id } = readCompiledModel(bytes);
  const digest = await planDigest(plan);
  const parameters = {
    [extractionParameters.modelDigest]: model.digest,
    [extractionParameters.compiledDigest]: await sha256Digest(bytes),
    [extractionParameters.noiseKeyId]: noise_key_id,
    [extractionParameters.planDigest]: digest,
    ...(screening !== undefined && { [extractionParameters.screening]: screening }),
  };
  const loaded = await engine.load(bytes);
  // The graph for screening and those of parts of a plan share their model's name.
  const guards = plan.only === undefined ? wholeVersion : partVersion(digest);
  const version = screening === undefined ? guards : screeningVersion;
  return { name: model.name, version, loaded, parameters, rowByRow: true };
}

/**
 * Loads any ONNX file under a name.
 * @throws GuardError `invalid_model` where the runtime refuses the file
 */
export async function loadPlainModel(engine: Engine, name: string, bytes: Uint8Array): Promise<ServedModel> {
  return { name, version: wholeVersion, loaded: await engine.load(bytes), parameters: {}, rowByRow: false };
}
