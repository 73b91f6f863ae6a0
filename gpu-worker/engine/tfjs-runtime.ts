// Loads TensorFlow.js: the native binding for NVIDIA cards, or its portable packages on WebAssembly or in plain JavaScript.
import { createRequire } from 'node:module';
import type * as converter from '@tensorflow/tfjs-converter';
import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { GuardError } from '../../shared/errors.ts';
import type { TfjsBackend } from './tfjs-packages.ts';

/** An end of a SavedModel. Version 4.22.0 gives the extents as the messages that it read, whose first field is the number. */
export interface SavedTensor {
  readonly name: string;
  readonly shape?: readonly (number | { readonly array: readonly number[] })[];
}

/** A SavedModel in the native binding; it gives its outputs and nothing between. */
export interface SavedModel {
  readonly inputs: readonly SavedTensor[];
  readonly outputs: readonly SavedTensor[];
  predict(input: core.Tensor): core.Tensor | core.Tensor[] | core.NamedTensorMap;
  dispose(): void;
}

/** The parts of TensorFlow.js that are used, from wherever they come. */
export interface Tfjs {
  readonly core: typeof core;
  readonly layers: Pick<typeof layers, 'loadLayersModel' | 'model'>;
  readonly converter: Pick<typeof converter, 'loadGraphModel'>;
  /** In the native binding alone. */
  readonly loadSavedModel?: (path: string) => Promise<SavedModel>;
  /** What it says that it runs on. */
  readonly device: string;
}

const require = createRequire(import.meta.url);

/**
 * Loads a backend and has it multiply.
 * @param load gives the native package; `require` where it is not given
 * @throws GuardError `invalid_config` with the reason where it does not load or multiply
 */
export async function startTfjs(
  backend: TfjsBackend,
  load: (name: string) => unknown = require,
): Promise<Tfjs> {
  const tfjs = backend === 'native' ? startNative(load) : await startPortable(backend);
  const { tidy, tensor2d, matMul } = tfjs.core;
  const [product] = tidy(() => matMul(tensor2d([[1, 2]]), tensor2d([[3], [4]])).dataSync());
  if (product !== 11)
    throw new GuardError('invalid_config', `TensorFlow.js takes 1 * 3 + 2 * 4 for ${product}`);
  return tfjs;
}

async function startPortable(backend: 'wasm' | 'cpu'): Promise<Tfjs> {
  const tf = require('@tensorflow/tfjs-core') as typeof core;
  require(`@tensorflow/tfjs-backend-${backend}`);
  tf.enableProdMode();
  if (!(await tf.setBackend(backend))) {
    throw new GuardError('invalid_config', `TensorFlow.js does not start its backend ${backend}`);
  }
  const device = backend === 'wasm' ? 'WebAssembly' : 'plain JavaScript';
  return {
    core: tf,
    layers: require('@tensorflow/tfjs-layers') as typeof layers,
    converter: require('@tensorflow/tfjs-converter') as typeof converter,
    device: `TensorFlow.js ${tf.version_core} on ${device}`,
  };
}

/** What the native package exports beside what all packages do. */
interface NativePackage {
  readonly node: {
    loadSavedModel(path: string, tags: string[], signature: string): Promise<SavedModel>;
  };
}

/** A property of the native backend; whether the package is the one for cards says nothing of the card. */
interface NativeBackend {
  readonly isUsingGpuDevice?: boolean;
}

function startNative(load: (name: string) => unknown): Tfjs {
  const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  // Version 4.22.0 calls it, Node 23 took it away; the fix was never released.
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  const tf = loadNative(load);
  const { isUsingGpuDevice } = tf.backend() as unknown as NativeBackend;
  // Where a library of CUDA is missing, TensorFlow runs on the processor without a word.
  const device = isUsingGpuDevice === true ? 'an NVIDIA card' : 'the processor (TensorFlow uses no card)';
  return {
    core: tf,
    layers: tf,
    converter: tf,
    loadSavedModel: (path) => tf.node.loadSavedModel(path, ['serve'], 'serving_default'),
    device: `TensorFlow.js ${tf.version_core}, native, on ${device}`,
  };
}

function loadNative(
  load: (name: string) => unknown,
): typeof core & typeof layers & typeof converter & NativePackage {
  try {
    return load('@tensorflow/tfjs-node-gpu') as ReturnType<typeof loadNative>;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new GuardError('invalid_config', `@tensorflow/tfjs-node-gpu does not load: ${reason}`, { cause });
  }
}
