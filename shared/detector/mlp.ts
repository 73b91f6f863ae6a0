// The detector's forward pass in plain TypeScript: the cross-check of the ONNX one, and its fallback.
import { assert, assertShape } from '../assert.ts';
import type { DenseLayer, DetectorArtefact } from '../contracts/detector-artefact.ts';
import { GuardError } from '../errors.ts';

/** One fully connected layer with its weights unpacked. */
export interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  /** Row-major [outputs, inputs]. */
  readonly weights: Float32Array;
  /** [outputs]. */
  readonly biases: Float32Array;
}

/** A multi-layer perceptron over standardised vectors, ReLU between its layers. */
export interface Mlp {
  readonly layers: readonly Layer[];
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Standardised entries are clipped to ±clip. */
  readonly clip: number;
}

/**
 * Unpacks the perceptron of an artefact.
 * @throws GuardError `invalid_artefact` where sizes do not fit each other
 */
export function mlpOfArtefact(
  artefact: Pick<DetectorArtefact, 'mlp' | 'standardise'> & { readonly vector: { readonly length: number } },
): Mlp {
  const { standardise, vector } = artefact;
  const layers = artefact.mlp.layers.map(unpackLayer);
  let width = vector.length;
  for (const [index, layer] of layers.entries()) {
    if (layer.inputs !== width) {
      throw new GuardError('invalid_artefact', `layer ${index} reads ${layer.inputs} numbers of ${width}`);
    }
    width = layer.outputs;
  }
  if (width !== 2)
    throw new GuardError('invalid_artefact', `the last layer has ${width} outputs instead of 2`);
  if (standardise.mean.length !== vector.length || standardise.deviation.length !== vector.length) {
    throw new GuardError('invalid_artefact', 'standardise does not have the length of the vector');
  }
  return { layers, mean: standardise.mean, deviation: standardise.deviation, clip: standardise.clip };
}

/**
 * Scores one NCCR vector.
 * @param vector [mean.length], not standardised
 * @returns adversarial logit - clean logit, in double precision over the float32 weights
 * @throws Error where the vector has another length
 * @see NCCR, section 5.1: a three-layer fully connected network of 1,792 parameters
 */
export function mlpScore(mlp: Mlp, vector: ArrayLike<number>): number {
  assertShape(vector, [mlp.mean.length], 'vector');
  // Standardised in float32, as the ONNX file does, so that both see the same input to the bit.
  let values: ArrayLike<number> = Float32Array.from(mlp.mean, (mean, index) => {
    const centred = Math.fround(Math.fround(vector[index]) - Math.fround(mean));
    const scaled = Math.fround(centred / Math.fround(mlp.deviation[index]));
    return Math.min(mlp.clip, Math.max(-mlp.clip, scaled));
  });
  for (const [index, layer] of mlp.layers.entries()) {
    values = denseForward(layer, values, index < mlp.layers.length - 1);
  }
  assert(values.length === 2, 'the last layer has two outputs');
  return values[1] - values[0];
}

/** Number of weights and biases. */
export function parameterCount(layers: readonly Pick<Layer, 'inputs' | 'outputs'>[]): number {
  return layers.reduce((sum, { inputs, outputs }) => sum + inputs * outputs + outputs, 0);
}

/** Packs a layer for the artefact. */
export function packLayer({ inputs, outputs, weights, biases }: Layer): DenseLayer {
  return { inputs, outputs, weights: toBase64(weights), biases: toBase64(biases) };
}

/**
 * One fully connected layer.
 * @param values [inputs]
 * @param relu whether negative outputs become 0
 * @returns [outputs], in double precision over the float32 weights
 */
export function denseForward(
  { inputs, outputs, weights, biases }: Layer,
  values: ArrayLike<number>,
  relu: boolean,
): Float64Array {
  const result = new Float64Array(outputs);
  for (let output = 0; output < outputs; output++) {
    let sum = biases[output];
    for (let input = 0; input < inputs; input++) sum += weights[output * inputs + input] * values[input];
    result[output] = relu && sum < 0 ? 0 : sum;
  }
  return result;
}

function unpackLayer({ inputs, outputs, weights, biases }: DenseLayer, index: number): Layer {
  const layer = { inputs, outputs, weights: fromBase64(weights), biases: fromBase64(biases) };
  if (layer.weights.length !== inputs * outputs || layer.biases.length !== outputs) {
    throw new GuardError('invalid_artefact', `layer ${index} does not hold ${outputs} x ${inputs} weights`);
  }
  return layer;
}

/** Little-endian float32 in base64. */
export function toBase64(values: Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** The numbers of little-endian float32 in base64. */
export function fromBase64(text: string): Float32Array {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
}
