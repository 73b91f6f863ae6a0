// Networks to train: their layers written as ONNX files, with weights drawn from a seed.
import { assert } from '../../shared/assert.ts';
import { GuardError } from '../../shared/errors.ts';
import { normal, type Random, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { buildOn, type GraphBuilder, newModel } from '../onnx/graph.ts';
import { saveModel } from '../onnx/model-file.ts';

/** Every architecture by its name. */
export const architectureNames = ['lenet5', 'cnn6'] as const;

/** One of {@link architectureNames}. */
export type ArchitectureName = (typeof architectureNames)[number];

/** What a network is built for. */
export interface NetworkOptions {
  /** [channels, height, width]. */
  readonly inputShape: readonly number[];
  /** At least 2. */
  readonly classes: number;
  /** Equal seeds give equal weights. */
  readonly seed: number;
  /** Mean and standard deviation of each channel, which the graph itself normalises by. */
  readonly normalisation: { readonly mean: readonly number[]; readonly deviation: readonly number[] };
}

/** A tensor under construction with its shape, the batch left out. */
interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
}

interface Builder {
  readonly graph: GraphBuilder;
  readonly random: Random;
}

/** Smallest height and width that leave every layer an element. */
const sideMin: Readonly<Record<ArchitectureName, number>> = { lenet5: 12, cnn6: 8 };

/**
 * Writes a network with untrained weights: normal numbers of variance 2 / inputs of the unit (He et al. 2015), biases 0.
 *
 * Input `input [batch, channels, height, width]`, output `logits [batch, classes]`. `lenet5` has two convolutions with
 * maximum pooling and three dense layers (LeCun et al. 1998, with ReLU), its activations are named conv1, conv2, fc1, fc2;
 * `cnn6` has six convolutions, two of them residual, and two dense layers, named c1 to c6 and penult.
 * @throws GuardError `invalid_dataset` where the inputs are no images or too small
 */
export function buildNetwork(name: ArchitectureName, options: NetworkOptions): Uint8Array<ArrayBuffer> {
  const { inputShape, classes, seed, normalisation } = options;
  assert(classes >= 2, 'a classifier has two classes or more');
  const least = sideMin[name];
  if (inputShape.length !== 3 || inputShape[1] < least || inputShape[2] < least) {
    throw new GuardError(
      'invalid_dataset',
      `${name} reads images [channels, height, width] of at least ${least} x ${least}, not [${inputShape.join(', ')}]`,
    );
  }
  const graph = buildOn(newModel(name, 17), name);
  const builder = { graph, random: seededRandom(seed) };
  const input = { name: graph.input('input', ['batch', ...inputShape]), shape: inputShape };
  const normalised = normalise(builder, input, normalisation);
  const last = (name === 'lenet5' ? lenet5 : cnn6)(builder, normalised);
  dense(builder, last, { outputs: classes, label: 'logits' });
  graph.output('logits', ['batch', classes]);
  return saveModel(graph.model);
}

function lenet5(builder: Builder, input: Tensor): Tensor {
  const first = convolution(builder, input, { outputs: 8, kernel: 5, pad: 2 });
  const half = maxPool(builder, relu(builder, first, 'conv1'));
  const second = convolution(builder, half, { outputs: 24, kernel: 5, pad: 0 });
  const quarter = maxPool(builder, relu(builder, second, 'conv2'));
  const third = relu(builder, dense(builder, quarter, { outputs: 96 }), 'fc1');
  return relu(builder, dense(builder, third, { outputs: 64 }), 'fc2');
}

function cnn6(builder: Builder, input: Tensor): Tensor {
  const block = (from: Tensor, label: string, outputs: number, stride: number) =>
    relu(builder, convolution(builder, from, { outputs, kernel: 3, pad: 1, stride }), label);
  const residual = (from: Tensor, label: string) => {
    const branch = block(from, builder.graph.freeName(`${label}_branch`), from.shape[0], 1);
    return { name: builder.graph.op('Add', [from.name, branch.name], {}, label), shape: from.shape };
  };
  const c1 = block(input, 'c1', 16, 1);
  const c3 = residual(block(c1, 'c2', 32, 2), 'c3');
  const c5 = residual(block(c3, 'c4', 64, 2), 'c5');
  const c6 = block(c5, 'c6', 96, 2);
  return relu(builder, dense(builder, c6, { outputs: 128 }), 'penult');
}

function normalise(
  { graph }: Builder,
  { name, shape }: Tensor,
  { mean, deviation }: NetworkOptions['normalisation'],
): Tensor {
  const perChannel = (values: readonly number[]) => graph.floats([shape[0], 1, 1], values);
  const centred = graph.op('Sub', [name, perChannel(mean)]);
  return { name: graph.op('Div', [centred, perChannel(deviation)]), shape };
}

function convolution(
  { graph, random }: Builder,
  { name, shape: [channels, height, width] }: Tensor,
  { outputs, kernel, pad, stride = 1 }: { outputs: number; kernel: number; pad: number; stride?: number },
): Tensor {
  const weights = heWeights(random, [outputs, channels, kernel, kernel]);
  const parameters = [
    graph.floats([outputs, channels, kernel, kernel], weights),
    graph.floats([outputs], new Float32Array(outputs)),
  ];
  const extent = (side: number) => Math.floor((side + 2 * pad - kernel) / stride) + 1;
  return {
    name: graph.op('Conv', [name, ...parameters], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    }),
    shape: [outputs, extent(height), extent(width)],
  };
}

/** A dense layer on all elements of a tensor. */
function dense(
  { graph, random }: Builder,
  { name, shape }: Tensor,
  { outputs, label }: { outputs: number; label?: string },
): Tensor {
  const inputs = elementCount(shape);
  const flat = shape.length === 1 ? name : graph.op('Flatten', [name]);
  const weights = graph.floats([outputs, inputs], heWeights(random, [outputs, inputs]));
  const biases = graph.floats([outputs], new Float32Array(outputs));
  return { name: graph.op('Gemm', [flat, weights, biases], { transB: 1 }, label), shape: [outputs] };
}

function relu({ graph }: Builder, { name, shape }: Tensor, label: string): Tensor {
  return { name: graph.op('Relu', [name], {}, label), shape };
}

function maxPool({ graph }: Builder, { name, shape: [channels, height, width] }: Tensor): Tensor {
  const pooled = graph.op('MaxPool', [name], { kernel_shape: [2, 2], strides: [2, 2] });
  return { name: pooled, shape: [channels, Math.floor(height / 2), Math.floor(width / 2)] };
}

/** @param shape [outputs, ...what one unit reads] */
function heWeights(random: Random, shape: readonly number[]): Float32Array {
  const deviation = Math.sqrt(2 / elementCount(shape.slice(1)));
  return Float32Array.from({ length: elementCount(shape) }, () => deviation * normal(random));
}
