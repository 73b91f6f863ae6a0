// Compiling: a protected model and a plan become one ONNX file that gives logits and changes in one run.
import { create } from '@bufbuild/protobuf';
import {
  type CompiledModel,
  compiledModelKey,
  compiledModelSchema,
  compiledTensors,
  type ExtractionPlan,
  planNoiseCopies,
  planRuns,
} from '../../shared/contracts/extraction.ts';
import type { ScreeningMode } from '../../shared/contracts/screening.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { noiseBank } from '../../shared/noise/noise-bank.ts';
import { type NoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import type { Engine } from '../engine/engine.ts';
import { appendCopies } from '../onnx/append-copies.ts';
import type { CopySource } from '../onnx/families/copy-source.ts';
import { noiseCopies } from '../onnx/families/noise.ts';
import { transformCopies } from '../onnx/families/transforms.ts';
import { tidyGraph } from '../onnx/graph-order.ts';
import { loadModel, saveModel } from '../onnx/model-file.ts';
import { type PreparedModel, prepareModel } from '../onnx/prepare-model.ts';
import { StringStringEntryProtoSchema } from '../onnx/schema/messages.ts';
import { requireRowwise } from '../onnx/shape-probe.ts';
import { appendTaps, type PlacedTap } from '../onnx/taps.ts';
import { drawnTransforms } from './drawn-transforms.ts';

/** What a model is compiled for. */
export interface CompileOptions {
  /** Name under which the model is served. */
  readonly name: string;
  readonly plan: ExtractionPlan;
  readonly noiseKey: NoiseKey;
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string;
  /** What the graph is for where it is no guard's: see `planScreening`. */
  readonly screening?: ScreeningMode;
}

/** A compiled model as a file, and what the file says of itself. */
export interface Compilation {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly compiled: CompiledModel;
}

/**
 * Compiles a protected model: `x [R, ...]` and, where the plan has noise, `noise_rows [R, N]` and `noise_signs [R, N]` to
 * `logits [R, C + 1, K]` with C of `planCopies` and, where taps are planned, `changes [R, D]` with the columns of
 * `changeColumns`. Of a plan with `only` it makes those rows of the logits alone, and takes the noise of those copies alone. Row 0 of the logits is of the input itself, untouched; rows k = 1 to N are of
 * `clip(x + sign_k * bank[row_k])`, those after them of the plan's transforms in its order. The same model, plan and key
 * give the same bytes.
 * @param modelBytes an ONNX file with one float32 input; a fixed batch is made free, a final softmax is taken off
 * @throws GuardError `invalid_model` that names the node, tensor or family, where the model is not usable, a tap not found
 *   or a transform does not fit the input; `invalid_config` where the plan's transforms are drawn by another key
 * @see NCCR, section 3.2
 */
export async function compileModel(modelBytes: Uint8Array, options: CompileOptions): Promise<Compilation> {
  const { name, plan, noiseKey, engine, output, screening } = options;
  const model = loadModel(modelBytes);
  if (model.metadataProps.some(({ key }) => key === compiledModelKey)) {
    throw new GuardError('invalid_model', 'the model is compiled already');
  }
  const prepared = await prepareModel(model, {
    engine,
    output,
    reserved: Object.values(compiledTensors),
    tensors: plan.taps.map(({ tensor }) => tensor),
    range: plan.input_range,
  });
  const { graph, input, logits, classes, originalName } = prepared;
  const taps = placeTaps(prepared, plan);
  const compiled = compiledModelSchema.parse({
    format: 'nccr-guard/compiled-model',
    format_version: 1,
    model: {
      name,
      digest: await sha256Digest(modelBytes),
      input_name: originalName(input.name),
      input_shape: [...input.shape],
      output_name: originalName(logits),
      classes,
    },
    plan,
    ...(screening !== undefined && { screening }),
    noise_key_id: noiseKey.id,
  } satisfies CompiledModel);

  const runs = planRuns(plan);
  const sources = await copySources(plan, { noiseKey, inputSize: elementCount(input.shape) });
  graph.model.graph.output = [];
  appendCopies(graph, { input, range: plan.input_range, sources, original: runs[0] === 0 });
  graph.op('Reshape', [logits, graph.ints([-1, runs.length, classes])], {}, compiledTensors.logits);
  graph.output(compiledTensors.logits, ['R', runs.length, classes]);
  if (taps.length > 0) appendTaps(graph, taps, plan);
  tidyGraph(graph.model);
  const entry = { key: compiledModelKey, value: JSON.stringify(compiled) };
  graph.model.metadataProps.push(create(StringStringEntryProtoSchema, entry));
  const bytes = saveModel(graph.model);
  // A graph that the runtime refuses is better refused here than where it is served.
  await (await engine.load(bytes)).release();
  return { bytes, compiled };
}

/**
 * Reads what a compiled model says of itself.
 * @throws GuardError `invalid_model` where the file is not a compiled model
 */
export function readCompiledModel(bytes: Uint8Array): CompiledModel {
  const entry = loadModel(bytes).metadataProps.find(({ key }) => key === compiledModelKey);
  if (entry === undefined) {
    throw new GuardError('invalid_model', 'the model is not compiled: run `nccr-guard model compile` first');
  }
  const read = compiledModelSchema.safeParse(parseJson(entry.value));
  if (!read.success) {
    throw new GuardError('invalid_model', `the compiled model's description is wrong: ${read.error.message}`);
  }
  return read.data;
}

/**
 * What makes the copies that are run: the noise bank of the key first, then the plan's transforms or those that the key draws.
 */
async function copySources(
  plan: ExtractionPlan,
  { noiseKey, inputSize }: { noiseKey: NoiseKey; inputSize: number },
): Promise<CopySource[]> {
  const sources: CopySource[] = [];
  const noised = planNoiseCopies(plan);
  const runs = planRuns(plan);
  const noiseRuns = runs.filter((run) => run >= 1 && run <= noised);
  if (noiseRuns.length > 0) {
    const bank = await noiseBank(noiseKey, plan, inputSize);
    sources.push(noiseCopies({ bank, copies: noiseRuns.length }));
  }
  if (plan.transforms.length > 0) {
    const drawn = await drawnTransforms(plan, noiseKey);
    const run = drawn.filter((_, index) => runs.includes(1 + noised + index));
    if (run.length > 0) sources.push(transformCopies(run));
  }
  return sources;
}

function placeTaps({ graph, probed, presentName }: PreparedModel, plan: ExtractionPlan): PlacedTap[] {
  return plan.taps.map((tap) => {
    const tensor = presentName(tap.tensor);
    const { shape, datatype } = requireRowwise(graph.model, probed, { tensor, label: tap.tensor });
    if (datatype !== 'FP32') throw new GuardError('invalid_model', `tensor ${tap.tensor} is not float32`);
    return { tap, tensor, shape: shape.slice(1) };
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GuardError('invalid_model', "the compiled model's description is not JSON", { cause });
  }
}
