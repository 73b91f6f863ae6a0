// A model as the server offers it, and how one is made from an ONNX file.
import { extractionParameters } from '../shared/contracts/extraction.ts';
import type { Parameters } from '../shared/contracts/inference.ts';
import { sha256Digest } from '../shared/noise/noise-key.ts';
import { planDigest } from '../shared/noise/plan-digest.ts';
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

/** The protocol wants a version; there is one of each model here. */
const onlyVersion = '1';

/**
 * Loads a compiled model under the name that it carries.
 * @throws GuardError `invalid_model` where the file is no compiled model
 */
export async function loadCompiledModel(engine: Engine, bytes: Uint8Array): Promise<ServedModel> {
  const { model, plan, noise_key_id } = readCompiledModel(bytes);
  const parameters = {
    [extractionParameters.modelDigest]: model.digest,
    [extractionParameters.compiledDigest]: await sha256Digest(bytes),
    [extractionParameters.noiseKeyId]: noise_key_id,
    [extractionParameters.planDigest]: await planDigest(plan),
  };
  const loaded = await engine.load(bytes);
  return { name: model.name, version: onlyVersion, loaded, parameters, rowByRow: true };
}

/**
 * Loads any ONNX file under a name.
 * @throws GuardError `invalid_model` where the runtime refuses the file
 */
export async function loadPlainModel(engine: Engine, name: string, bytes: Uint8Array): Promise<ServedModel> {
  return { name, version: onlyVersion, loaded: await engine.load(bytes), parameters: {}, rowByRow: false };
}
