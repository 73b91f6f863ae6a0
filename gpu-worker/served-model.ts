// A model as the server offers it, and how one is made from an ONNX file.
import {
  type CompiledModel,
  compiledTensors,
  type ExtractionPlan,
  extractionParameters,
  planBankRows,
  projectedNeurons,
} from '../shared/contracts/extraction.ts';
import type { Parameters } from '../shared/contracts/inference.ts';
import { screeningVersion } from '../shared/contracts/screening.ts';
import { GuardError } from '../shared/errors.ts';
import { elementCount } from '../shared/maths/tensor.ts';
import { sha256Digest } from '../shared/noise/noise-key.ts';
import { partVersion, planDigest } from '../shared/noise/plan-digest.ts';
import type { Engine, LoadedModel, LoadOptions } from './engine/engine.ts';
import { isArchive, readArchive } from './engine/tfjs-archive.ts';
import { readCompiledModel } from './extraction/compile-model.ts';
import type { ImageInput } from './images/image-rows.ts';
import type { MediaInput } from './media/decode-media.ts';

/** How a graph for screening takes its examples. */
export interface ExampleIntake extends ImageInput {
  /** Rows that are run together, the same number each time. */
  readonly partRows: number;
  /** Parts of one request that wait or run at the same time. */
  readonly inFlight: number;
}

/** A model under its name. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly loaded: LoadedModel;
  /** Flat parameters of the model's metadata and of every answer. */
  readonly parameters: Parameters;
  /** Whether each row of a batch is run by itself; see `runRows`. */
  readonly rowByRow: boolean;
  /** Of a graph for screening alone, which takes examples as pixels or files too. */
  readonly intake?: ExampleIntake;
  /** The input of the protected model that the graph was compiled from: what files are decoded to. */
  readonly media?: MediaInput;
}

/** The protocol wants a version: of the graph of a whole plan, and of models that are served as they are. */
export const wholeVersion = '1';

/**
 * Elements of the inputs that a graph for screening runs together: 16 images of 3 x 32 x 32. With a network of six convolutions,
 * on two cores that others used too, parts of 16 took 0.7 to 0.9 of the time of single rows (activations alone 0.4); larger ones
 * took no less.
 */
const partElements = 16 * 3 * 32 * 32;
const partRowsMax = 16;

/**
 * Loads a compiled model under the name that it carries.
 * @throws GuardError `invalid_model` where the file is no compiled model
 */
export async function loadCompiledModel(
  engine: Pick<Engine, 'info' | 'load'>,
  bytes: Uint8Array,
): Promise<ServedModel> {
  const { compiled, imagesChannelsFirst } = readCompiled(bytes);
  const { model, plan, screening, noise_key_id } = compiled;
  const digest = await planDigest(plan);
  const projectedFrom = screening === undefined ? undefined : projectedNeurons(plan);
  const parameters = {
    [extractionParameters.modelDigest]: model.digest,
    [extractionParameters.compiledDigest]: await sha256Digest(bytes),
    [extractionParameters.noiseKeyId]: noise_key_id,
    [extractionParameters.planDigest]: digest,
    ...(screening !== undefined && {
      [extractionParameters.screening]: screening,
      [extractionParameters.inputLow]: plan.input_range[0],
      [extractionParameters.inputHigh]: plan.input_range[1],
    }),
    ...(projectedFrom !== undefined && { [extractionParameters.projectedFrom]: projectedFrom }),
  };
  const partRows = screeningPartRows(model.input_shape);
  const loaded = await engine.load(bytes, {
    ranges: inputRanges(plan),
    warmUpRows: [screening === undefined ? 1 : partRows],
    // What a graph for screening reads is parted by its own rules; changes of taps are sums whose order depends on the batch.
    ...(screening === undefined && { joinable: plan.taps.length === 0 ? 'exact' : 'close' }),
  });
  // The graph for screening and those of parts of a plan share their model's name.
  const guards = plan.only === undefined ? wholeVersion : partVersion(digest);
  if (screening === undefined) {
    const media = { name: model.input_name, shape: model.input_shape, range: plan.input_range };
    const served = { name: model.name, version: guards, loaded, parameters, rowByRow: true };
    // Files are decoded channel by channel.
    return imagesChannelsFirst ? { ...served, media } : served;
  }
  const { input_shape: inputShape } = model;
  const intake = {
    inputShape,
    range: plan.input_range,
    partRows,
    inFlight: 2 * engine.info.workers,
  };
  return { name: model.name, version: screeningVersion, loaded, parameters, rowByRow: false, intake };
}

/** What a compiled file says of itself, and how its images lie. */
function readCompiled(bytes: Uint8Array): { compiled: CompiledModel; imagesChannelsFirst: boolean } {
  if (!isArchive(bytes)) return { compiled: readCompiledModel(bytes), imagesChannelsFirst: true };
  const { extraction } = readArchive(bytes);
  if (extraction === undefined) {
    throw new GuardError('invalid_model', 'the model is not compiled: run `nccr-guard model compile` first');
  }
  const { compiled, channels_first: channelsFirst } = extraction;
  return { compiled, imagesChannelsFirst: channelsFirst || compiled.model.input_shape.length < 3 };
}

/** What the inputs of a compiled graph may hold. */
function inputRanges(plan: ExtractionPlan): NonNullable<LoadOptions['ranges']> {
  return {
    [compiledTensors.input]: plan.input_range,
    [compiledTensors.noiseRows]: [0, Math.max(0, planBankRows(plan) - 1)],
    [compiledTensors.noiseSigns]: [-1, 1],
  };
}

/**
 * Rows of a graph for screening that are run together.
 *
 * Drifts, activations and logits came out the same to the bit alone, in parts of 4 to 128, shuffled and reversed, on six networks
 * (LeNet-5, three residual ones, two plain ones); since a runtime may choose its kernels by the batch, parts have one size all
 * the same.
 */
export function screeningPartRows(inputShape: readonly number[]): number {
  return Math.min(partRowsMax, Math.max(1, Math.floor(partElements / elementCount(inputShape))));
}

/**
 * Loads any ONNX file under a name.
 * @throws GuardError `invalid_model` where the runtime refuses the file
 */
export async function loadPlainModel(engine: Engine, name: string, bytes: Uint8Array): Promise<ServedModel> {
  return { name, version: wholeVersion, loaded: await engine.load(bytes), parameters: {}, rowByRow: false };
}
