// Compiling a TensorFlow.js model: its files and a plan become one file that gives logits and changes in one run.
import {
  type CompiledModel,
  type ExtractionPlan,
  planNoiseCopies,
  planRuns,
} from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount, float32Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import { noiseBank } from '../../shared/noise/noise-bank.ts';
import { type NoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import type { Engine, LoadedModel } from '../engine/engine.ts';
import { seededFeeds } from '../engine/seeded-feeds.ts';
import { relativeError, relativeErrorMax } from '../engine/self-check.ts';
import { type ModelFiles, writeArchive } from '../engine/tfjs-archive.ts';
import type { Compilation } from './compile-model.ts';
import { drawnTransforms } from './drawn-transforms.ts';

/** An ONNX model of the same weights, whose detectors are to fit. */
export interface TwinModel {
  /** Of the ONNX file. */
  readonly digest: string;
  /** `x [R, ...]` to `logits [R, K]`: see `forwardModel`. */
  readonly forward: LoadedModel;
  readonly inputName: string;
  readonly outputName: string;
}

/** What a model is compiled for. */
export interface CompileTfjsOptions {
  /** Name under which the model is served. */
  readonly name: string;
  readonly plan: ExtractionPlan;
  readonly noiseKey: NoiseKey;
  /** Of TensorFlow.js: runs the model to learn what it gives. */
  readonly engine: Engine;
  /** Whether `x` has the channels of images first, as ONNX models have; otherwise it is as the model reads it. */
  readonly channelsFirst?: boolean;
  /** The model whose identity this one takes, after it gave the same logits; its `x` is that model's. */
  readonly twin?: TwinModel;
}

/**
 * Compiles a model of TensorFlow.js to a file that gives what `compileModel` gives of the same network. Taps name layers of a Layers
 * model and nodes of a Graph model, and count channels and neurons with channels first. A final softmax is taken off.
 * @param files of the model: `model.json` and its shards, or a SavedModel
 * @throws GuardError `invalid_model` where the model, a tap or a transform is not usable, the output are probabilities, or the twin
 *   gives other logits; `invalid_config` where the plan's transforms are drawn by another key
 */
export async function compileTfjsModel(files: ModelFiles, options: CompileTfjsOptions): Promise<Compilation> {
  const { name, plan, noiseKey, engine, twin } = options;
  const bare = writeArchive({ files });
  const loaded = await engine.load(bare, {});
  try {
    const [input] = loaded.inputs;
    const [output] = loaded.outputs;
    const ownShape = input.shape.slice(1);
    const channelsFirst = options.channelsFirst === true || twin !== undefined;
    const shape = channelsFirst ? imageShape(ownShape) : ownShape;
    const [, classes] = output.shape;
    if (output.shape.length !== 2 || classes < 2) {
      throw new GuardError(
        'invalid_model',
        `${output.name} is [${output.shape.join(', ')}] instead of logits [R, K]`,
      );
    }
    await checkLogits(loaded, { plan, twin });
    const model: CompiledModel['model'] = {
      name,
      digest: twin?.digest ?? (await sha256Digest(bare)),
      input_name: twin?.inputName ?? input.name,
      input_shape: shape,
      output_name: twin?.outputName ?? output.name,
      classes,
    };
    const compiled: CompiledModel = {
      format: 'nccr-guard/compiled-model',
      format_version: 1,
      model,
      plan,
      noise_key_id: noiseKey.id,
    };
    const transforms = [...(await drawnTransforms(plan, noiseKey))];
    const noised = planRuns(plan).some((run) => run >= 1 && run <= planNoiseCopies(plan));
    const bytes = writeArchive({
      files,
      extraction: { compiled, transforms, channels_first: channelsFirst },
      ...(noised && { noiseBank: await noiseBank(noiseKey, plan, elementCount(shape)) }),
    });
    // Taps and transforms that do not fit are better refused here than where the model is served.
    await (await engine.load(bytes, { ranges: { x: plan.input_range } })).release();
    return { bytes, compiled };
  } finally {
    await loaded.release();
  }
}

/** Refuses probabilities, and logits that are not those of the twin. */
async function checkLogits(
  model: LoadedModel,
  { plan, twin }: { readonly plan: ExtractionPlan; readonly twin: TwinModel | undefined },
): Promise<void> {
  const [input] = model.inputs;
  const [output] = model.outputs;
  const shape = imageShape(input.shape.slice(1));
  const range = { x: plan.input_range };
  const spec = { name: 'x', datatype: 'FP32', shape: [-1, ...shape] } as const;
  const { x } = seededFeeds([spec], { rows: 3, seed: 1, ranges: range });
  const own = await model.run({ [input.name]: channelsLast(x) });
  const logits = own[output.name];
  if (looksLikeProbabilities(logits)) {
    const detail = `${output.name} gives probabilities, and no softmax could be taken off: export the model with logits`;
    throw new GuardError('invalid_model', detail);
  }
  if (twin === undefined) return;
  const [wanted] = twin.forward.inputs;
  if (String(wanted.shape.slice(1)) !== String(shape)) {
    const detail = `the ONNX model reads [${wanted.shape.slice(1).join(', ')}], this one [${shape.join(', ')}]`;
    throw new GuardError('invalid_model', detail);
  }
  const theirs = await twin.forward.run({ x });
  const error = relativeError(logits, theirs.logits);
  // Written so that NaN is refused.
  if (!(error <= relativeErrorMax)) {
    const detail = `the ONNX model gives other logits: off by ${error.toPrecision(2)} of the largest (at most ${relativeErrorMax})`;
    throw new GuardError('invalid_model', detail);
  }
}

function looksLikeProbabilities({ shape: [rows, classes], data }: Tensor): boolean {
  return Array.from({ length: rows }, (_, row) => {
    const values = [...(data as Float32Array).subarray(row * classes, (row + 1) * classes)];
    const sum = values.reduce((total, value) => total + value, 0);
    return values.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-4;
  }).every(Boolean);
}

/** [height, width, channels] as an ONNX model has it; other shapes as they are. */
function imageShape(shape: readonly number[]): number[] {
  const [height, width, channels] = shape;
  return shape.length === 3 ? [channels, height, width] : [...shape];
}

/** Images [R, channels, height, width] with their channels last; others as they are. */
function channelsLast(images: Tensor): Tensor {
  if (images.shape.length !== 4) return images;
  const [rows, channels, height, width] = images.shape;
  const positions = height * width;
  const data = new Float32Array(images.data.length);
  for (let row = 0; row < rows; row++) {
    for (let place = 0; place < channels * positions; place++) {
      const [channel, position] = [Math.floor(place / positions), place % positions];
      const first = row * channels * positions;
      data[first + position * channels + channel] = images.data[first + place] as number;
    }
  }
  return float32Tensor(data, [rows, height, width, channels]);
}
