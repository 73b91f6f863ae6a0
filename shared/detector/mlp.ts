// The detector's forward pass in plain TypeScript: the cross-check of the ONNX one, and its fallback.
import { assert, assertShape } from '../assert.ts';
import type { DenseLayer, DetectorArtefact, PackedHead } from '../contracts/detector-artefact.ts';
import { GuardError } from '../errors.ts';
import { relativeUnitChanges, unitEntries, unitNumbers, unitsOf } from '../maths/unit-changes.ts';

/** One fully connected layer with its weights unpacked. */
export interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  /** Row-major [outputs, inputs]. */
  readonly weights: Float32Array;
  /** [outputs]. */
  readonly biases: Float32Array;
}

/** How numbers are standardised: (v - mean) / deviation, clipped to ±clip. */
export interface Standardisation {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly clip: number;
}

/** A linear score of the relative changes of neurons. */
export interface LinearHead extends Standardisation {
  /** [units]: mean size of each over clean inputs. */
  readonly unitMeans: Float32Array;
  /** Which of the [2 units] relative changes it reads, rising. */
  readonly entries: readonly number[];
  /** One output. */
  readonly layer: Layer;
}

/**
 * A multi-layer perceptron over standardised vectors, ReLU between its layers. With a head, the vector ends with the numbers
 * of the units; the layers read what stands before them, and behind that the head's score.
 */
export interface Mlp extends Standardisation {
  readonly layers: readonly Layer[];
  readonly head?: LinearHead | undefined;
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
  const head = artefact.mlp.head && unpackHead(artefact.mlp.head);
  const read = head === undefined ? vector.length : vector.length - unitNumbers * head.unitMeans.length + 1;
  let width = read;
  for (const [index, layer] of layers.entries()) {
    if (layer.inputs !== width) {
      throw new GuardError('invalid_artefact', `layer ${index} reads ${layer.inputs} numbers of ${width}`);
    }
    width = layer.outputs;
  }
  if (width !== 2)
    throw new GuardError('invalid_artefact', `the last layer has ${width} outputs instead of 2`);
  requireStandardise(standardise, read);
  return { layers, ...standardise, ...(head && { head }) };
}

/** Entries of the vectors that a perceptron scores. */
export function vectorLength({ mean, head }: Mlp): number {
  return head === undefined ? mean.length : mean.length - 1 + unitNumbers * head.unitMeans.length;
}

/**
 * Scores one NCCR vector.
 * @param vector [vectorLength(mlp)], not standardised
 * @returns adversarial logit - clean logit, in double precision over the float32 weights
 * @throws Error where the vector has another length
 * @see NCCR, section 5.1: a three-layer fully connected network of 1,792 parameters
 */
export function mlpScore(mlp: Mlp, vector: ArrayLike<number>): number {
  assertShape(vector, [vectorLength(mlp)], 'vector');
  const { head, mean, deviation, clip } = mlp;
  const own = head === undefined ? mean.length : mean.length - 1;
  let values: Float64Array = Float64Array.from({ length: mean.length }, (_, index) => {
    // Standardised in float32, as the ONNX file does, so that both see the same input to the bit.
    const centred = Math.fround(Math.fround(vector[index]) - Math.fround(mean[index]));
    return index < own ? Math.fround(clipped(Math.fround(centred / Math.fround(deviation[index])), clip)) : 0;
  });
  if (head !== undefined) {
    values[own] = clipped((headScore(head, unitPart(vector, own)) - mean[own]) / deviation[own], clip);
  }
  for (const [index, layer] of mlp.layers.entries()) {
    values = denseForward(layer, values, index < mlp.layers.length - 1);
  }
  assert(values.length === 2, 'the last layer has two outputs');
  return values[1] - values[0];
}

/**
 * The score of a head alone, in double precision throughout: a sum over hundreds of entries would not be the same in float32
 * in every order.
 * @param units [3 units]: changes, drifts and sizes
 * @returns higher for what looks adversarial to it
 */
export function headScore(
  { unitMeans, entries, mean, deviation, clip, layer }: LinearHead,
  units: Float64Array,
): number {
  const relative = relativeUnitChanges(unitsOf(units), unitMeans);
  const read = entries.map((entry, index) =>
    clipped((relative[entry] - mean[index]) / deviation[index], clip),
  );
  return denseForward(layer, read, false)[0];
}

/** The numbers of the units of a vector, as the edge's ONNX Runtime gets them: in float32. */
function unitPart(vector: ArrayLike<number>, first: number): Float64Array {
  return Float64Array.from({ length: vector.length - first }, (_, index) =>
    Math.fround(vector[first + index]),
  );
}

function clipped(value: number, clip: number): number {
  return Math.min(clip, Math.max(-clip, value));
}

/** Number of weights and biases. */
export function parameterCount(layers: readonly Pick<Layer, 'inputs' | 'outputs'>[]): number {
  return layers.reduce((sum, { inputs, outputs }) => sum + inputs * outputs + outputs, 0);
}

/** Weights and biases of a perceptron and its head. */
export function mlpParameters({ layers, head }: Mlp): number {
  return parameterCount(head === undefined ? layers : [head.layer, ...layers]);
}

/** Packs a head for the artefact. */
export function packHead({ unitMeans, entries, layer, mean, deviation, clip }: LinearHead): PackedHead {
  return {
    unit_means: toBase64(unitMeans),
    entries: [...entries],
    standardise: { mean: [...mean], deviation: [...deviation], clip },
    layer: packLayer(layer),
  };
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

function unpackHead({ unit_means, entries, standardise, layer: packed }: PackedHead): LinearHead {
  const unitMeans = fromBase64(unit_means);
  if (!unitMeans.every((mean) => mean >= 0 && Number.isFinite(mean))) {
    throw new GuardError('invalid_artefact', 'the mean of a unit is negative or no number');
  }
  const layer = unpackLayer(packed, 'the head');
  if (layer.inputs !== entries.length || layer.outputs !== 1) {
    const detail = `the head makes ${layer.outputs} numbers of ${layer.inputs} instead of 1 of ${entries.length}`;
    throw new GuardError('invalid_artefact', detail);
  }
  const count = unitEntries * unitMeans.length;
  const rises = entries.every((entry, index) => entry > (index === 0 ? -1 : entries[index - 1]));
  if (!rises || entries[entries.length - 1] >= count) {
    throw new GuardError(
      'invalid_artefact',
      `the head's entries do not rise within the ${count} of its units`,
    );
  }
  requireStandardise(standardise, entries.length);
  return { unitMeans, entries, layer, ...standardise };
}

function requireStandardise({ mean, deviation }: Standardisation, length: number): void {
  if (mean.length === length && deviation.length === length) return;
  throw new GuardError('invalid_artefact', 'standardise does not have the length of what is read');
}

function unpackLayer({ inputs, outputs, weights, biases }: DenseLayer, place: number | string): Layer {
  const layer = { inputs, outputs, weights: fromBase64(weights), biases: fromBase64(biases) };
  if (layer.weights.length !== inputs * outputs || layer.biases.length !== outputs) {
    const name = typeof place === 'number' ? `layer ${place}` : place;
    throw new GuardError('invalid_artefact', `${name} does not hold ${outputs} x ${inputs} weights`);
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
