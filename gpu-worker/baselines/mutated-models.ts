// Copies of a model whose weights are fuzzed a little, kept where they still agree with it.
import { GuardError } from '../../shared/errors.ts';
import { normal, type Random, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { predictedLabel } from '../attacks/attack.ts';
import type { Engine } from '../engine/engine.ts';
import { floatsOf } from '../onnx/constants.ts';
import { forwardModel } from '../onnx/forward-model.ts';
import { buildOn } from '../onnx/graph.ts';
import { loadModel, saveModel } from '../onnx/model-file.ts';
import { elementTypes, type TensorProto } from '../onnx/schema/messages.ts';
import { runInBatches } from './run-in-batches.ts';

/** Operators whose second input holds weights. */
const weighted = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);

/** Of the fuzz, where none is given. */
const deviationDefault = 0.15;

/** How strongly weights are fuzzed. */
export interface FuzzOptions {
  /** Share of each tensor's weights that are changed, in (0, 1]; all of them where it is not given. */
  readonly share?: number;
  /** Standard deviation of the change, in standard deviations of the tensor's own weights. */
  readonly deviation?: number;
}

/**
 * Adds Gaussian noise to a share of the weights of every convolution and matrix product.
 *
 * Ours: the noise is scaled by the spread of the tensor that it lands in, and biases are left alone.
 * @param forwardBytes an ONNX file
 * @returns an ONNX file of the same graph
 * @throws GuardError `invalid_model` where the model has no such weights as constants
 * @see Wang, Dong, Sun, Wang and Zhang, "Adversarial sample detection for deep neural network through model mutation
 *   testing" (ICSE 2019), the operator "Gaussian fuzzing"
 */
export function fuzzWeights(
  forwardBytes: Uint8Array,
  { share = 1, deviation = deviationDefault, random }: FuzzOptions & { readonly random: Random },
): Uint8Array<ArrayBuffer> {
  const model = loadModel(forwardBytes);
  const graph = buildOn(model, 'mutant');
  const tensors = weightTensors(model.graph.node, (name) => graph.constant(name));
  if (tensors.size === 0) {
    throw new GuardError('invalid_model', 'the model has no float32 weights as constants: nothing to mutate');
  }
  for (const tensor of tensors) {
    const weights = floatsOf(tensor);
    const scale = deviation * spread(weights);
    const fuzzed = weights.map((weight) => (random() < share ? weight + scale * normal(random) : weight));
    tensor.rawData = new Uint8Array(fuzzed.buffer);
    tensor.floatData = [];
  }
  return saveModel(model);
}

/** What mutants are made of and kept by. */
export interface MutantOptions extends FuzzOptions {
  readonly engine: Engine;
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** Clean inputs [rows, ...inputShape] on which a mutant must agree with the model. */
  readonly reference: Float32Array;
  /** Share of the reference inputs on which it must: the paper keeps mutants of 90 % of the model's accuracy. */
  readonly agreement?: number;
  readonly mutants: number;
  readonly seed: number;
  readonly output?: string;
}

/** Mutants that agree with the model, and what it took. */
export interface DrawnMutants {
  /** Files `x [rows, ...]` to `logits [rows, classes]`. */
  readonly files: readonly Uint8Array<ArrayBuffer>[];
  /** Deviation of the fuzz by which enough of them agree: what was asked for, or a half of it, a quarter and so on. */
  readonly deviation: number;
}

/** Times that the deviation is halved at most. */
const halvingsMax = 6;

/**
 * Draws mutants until enough of them agree with the model. Where fewer than a quarter of the draws do, the fuzz is too strong
 * for this model, and the deviation is halved.
 * @throws GuardError `invalid_model` where a 64th of the deviation is too much as well
 */
export async function drawMutants(modelBytes: Uint8Array, options: MutantOptions): Promise<DrawnMutants> {
  const {
    engine,
    reference,
    agreement = 0.9,
    mutants,
    output,
    deviation: first = deviationDefault,
  } = options;
  const forward = await forwardModel(modelBytes, { engine, ...(output !== undefined && { output }) });
  const expected = await referenceLabels(forward, options);
  let best = 0;
  for (let halvings = 0; halvings <= halvingsMax; halvings++) {
    const deviation = first / 2 ** halvings;
    const random = seededRandom(options.seed);
    const files: Uint8Array<ArrayBuffer>[] = [];
    for (let draw = 0; draw < 4 * mutants && files.length < mutants; draw++) {
      const file = fuzzWeights(forward, { ...options, deviation, random });
      const found = await referenceLabels(file, options);
      const same = found.filter((label, row) => label === expected[row]).length;
      if (same >= agreement * expected.length) files.push(file);
    }
    if (files.length === mutants) return { files, deviation };
    best = files.length;
  }
  const share = `${100 * agreement} % of the ${reference.length / elementCount(options.inputShape)} reference inputs`;
  const detail = `only ${best} of ${4 * mutants} mutants agree with the model on ${share}`;
  throw new GuardError('invalid_model', `${detail}, even fuzzed by ${first / 2 ** halvingsMax}`);
}

/** Labels that a model gives the reference inputs. */
async function referenceLabels(
  file: Uint8Array,
  { engine, reference, inputShape, classes }: MutantOptions,
): Promise<number[]> {
  const model = await engine.load(file);
  try {
    const { logits } = await runInBatches(model, reference, { inputShape, widths: { logits: classes } });
    return Array.from({ length: logits.length / classes }, (_, row) => predictedLabel(logits, row, classes));
  } finally {
    await model.release();
  }
}

function weightTensors(
  nodes: readonly { opType: string; input: readonly string[] }[],
  constant: (name: string) => TensorProto | undefined,
): Set<TensorProto> {
  const tensors = nodes
    .filter(({ opType }) => weighted.has(opType))
    // A matrix product may have its weights on either side.
    .flatMap(({ opType, input }) => (opType === 'MatMul' ? input : [input[1]]).map(constant))
    .filter((tensor) => tensor?.dataType === elementTypes.float);
  return new Set(tensors as TensorProto[]);
}

/** Standard deviation. */
function spread(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
