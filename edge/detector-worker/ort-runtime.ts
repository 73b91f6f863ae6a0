// onnxruntime-web inside workerd, which compiles no WebAssembly at run time: the runtime gets the module that was bundled.

import runtimeModule from 'onnxruntime-web/ort-wasm-simd-threaded.wasm';
import * as ort from 'onnxruntime-web/wasm';
import type { NamedTensor } from '../../shared/maths/tensor.ts';

/** The shortest valid WebAssembly module: stands for the bytes that the runtime believes it instantiates. */
const emptyModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** An ONNX file of one node, `y [1] = Identity(x [1])`, operator set 13: what the runtime starts with, whatever is run later. */
const smallestModel = 'CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCAhAN';

type Instantiate = (
  source: unknown,
  imports?: WebAssembly.Imports,
) => Promise<WebAssembly.WebAssemblyInstantiatedSource>;

let started: Promise<void> | undefined;

/** Opens a session over an ONNX file; the first call starts the runtime. */
export async function openOrtSession(model: Uint8Array): Promise<ort.InferenceSession> {
  // One start for all: two at once are refused by the runtime.
  started ??= startRuntime().catch((cause: unknown) => {
    started = undefined;
    throw cause;
  });
  await started;
  return ort.InferenceSession.create(model, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
}

/**
 * Runs a session of one input and one output.
 * @param vectors row-major [rows, length]
 * @returns the output's numbers
 */
export async function runOrtSession(
  session: ort.InferenceSession,
  vectors: Float64Array,
  rows: number,
): Promise<Float64Array> {
  const input = new ort.Tensor('float32', Float32Array.from(vectors), [rows, vectors.length / rows]);
  const outputs = await session.run({ [session.inputNames[0]]: input });
  const { data } = outputs[session.outputNames[0]];
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array)) {
    throw new Error('the detector graph does not give floating point scores');
  }
  return Float64Array.from(data);
}

/**
 * Runs a session.
 * @param feeds all inputs, of float32 or int64
 * @returns the outputs of float32 by their names
 */
export async function runOrtGraph(
  session: ort.InferenceSession,
  feeds: readonly NamedTensor[],
): Promise<ReadonlyMap<string, Float32Array>> {
  const tensors = feeds.map(({ name, datatype, shape, data }) => {
    const tensor =
      datatype === 'INT64'
        ? new ort.Tensor('int64', data as BigInt64Array, shape)
        : new ort.Tensor('float32', data as Float32Array, shape);
    return [name, tensor] as const;
  });
  const outputs = await session.run(Object.fromEntries(tensors));
  const floats = Object.entries(outputs).map(([name, { data }]) => [name, data] as const);
  return new Map(floats.filter((entry): entry is [string, Float32Array] => entry[1] instanceof Float32Array));
}

/**
 * Starts the runtime. Its only call of `WebAssembly.instantiate` is for its own module, so that call is answered with the
 * module that the bundler compiled, and the function is put back.
 */
async function startRuntime(): Promise<void> {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmBinary = emptyModule;
  ort.env.logLevel = 'error';
  const original = WebAssembly.instantiate;
  const answered: Instantiate = async (source, imports = {}) => {
    if (!isEmptyModule(source)) throw new Error('the runtime instantiates another module than its own');
    return { module: runtimeModule, instance: await original(runtimeModule, imports) };
  };
  Object.assign(WebAssembly, { instantiate: answered });
  try {
    const model = Uint8Array.from(atob(smallestModel), (character) => character.charCodeAt(0));
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    await session.release();
  } finally {
    Object.assign(WebAssembly, { instantiate: original });
  }
}

function isEmptyModule(source: unknown): boolean {
  const bytes =
    source instanceof ArrayBuffer
      ? new Uint8Array(source)
      : source instanceof Uint8Array
        ? source
        : undefined;
  return bytes?.length === emptyModule.length && bytes.every((byte, index) => byte === emptyModule[index]);
}
