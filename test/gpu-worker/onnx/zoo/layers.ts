// Layers of small networks, written as exporters write them, with weights drawn from a seed.
import { buildOn, type GraphBuilder, newModel } from '../../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../../gpu-worker/onnx/model-file.ts';
import type { Extent } from '../../../../gpu-worker/onnx/value-info.ts';
import { normal, type Random, seededRandom } from '../../../../shared/maths/random.ts';
import { elementCount } from '../../../../shared/maths/tensor.ts';

/** A network under construction. */
export interface Net {
  readonly graph: GraphBuilder;
  readonly random: Random;
}

/** What a network reads and gives. */
export interface NetOptions {
  readonly shape: readonly Extent[];
  readonly classes?: number;
  readonly opset?: number;
  readonly seed?: number;
}

/** Writes a network: input `input`, output `scores [batch, classes]`. */
export function writeNet(
  { shape, classes = 5, opset = 17, seed = 1 }: NetOptions,
  build: (net: Net, input: string) => string,
): Uint8Array<ArrayBuffer> {
  const net = { graph: buildOn(newModel('zoo', opset), 'zoo'), random: seededRandom(seed) };
  const logits = build(net, net.graph.input('input', shape));
  net.graph.op('Identity', [logits], {}, 'scores');
  net.graph.output('scores', [shape[0], classes]);
  return saveModel(net.graph.model);
}

/** Normal numbers of variance `gain` over the inputs of a unit. */
export function drawn({ graph, random }: Net, shape: readonly number[], deviation: number): string {
  return graph.floats(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => deviation * normal(random)),
  );
}

/** A convolution over one or two axes. */
export interface ConvolutionOptions {
  readonly from: number;
  readonly to: number;
  /** One extent an axis. */
  readonly kernel: readonly number[];
  readonly stride?: number;
  readonly pad?: number;
  readonly dilation?: number;
  readonly group?: number;
}

export function convolution(net: Net, input: string, options: ConvolutionOptions): string {
  const { from, to, kernel, stride = 1, pad = 0, dilation = 1, group = 1 } = options;
  const inputs = (from / group) * elementCount(kernel);
  const weights = drawn(net, [to, from / group, ...kernel], Math.sqrt(2 / inputs));
  return net.graph.op('Conv', [input, weights, drawn(net, [to], 0.1)], {
    kernel_shape: kernel,
    strides: kernel.map(() => stride),
    dilations: kernel.map(() => dilation),
    pads: [...kernel, ...kernel].map(() => pad),
    group,
  });
}

/** Batch normalisation with statistics that are not those of any data. */
export function batchNorm(net: Net, input: string, channels: number): string {
  const { graph, random } = net;
  const near = (centre: number) =>
    Float32Array.from({ length: channels }, () => centre + 0.4 * (random() - 0.5));
  const parameters = [1, 0, 0, 1].map((centre) => graph.floats([channels], near(centre)));
  return graph.op('BatchNormalization', [input, ...parameters]);
}

/** Convolution, normalisation and an activation. */
export function block(net: Net, input: string, options: ConvolutionOptions, activation = 'Relu'): string {
  return net.graph.op(activation, [batchNorm(net, convolution(net, input, options), options.to)]);
}

/** A dense layer on [batch, from]. */
export function dense(net: Net, input: string, { from, to }: { from: number; to: number }): string {
  const parameters = [drawn(net, [to, from], Math.sqrt(2 / from)), drawn(net, [to], 0.1)];
  return net.graph.op('Gemm', [input, ...parameters], { transB: 1 });
}

/** A dense layer on the last axis of any tensor, as a product and a sum. */
export function projection(net: Net, input: string, { from, to }: { from: number; to: number }): string {
  const product = net.graph.op('MatMul', [input, drawn(net, [from, to], Math.sqrt(1 / from))]);
  return net.graph.op('Add', [drawn(net, [to], 0.1), product]);
}

/** A max pool over maps. */
export function maxPool({ graph }: Net, input: string, { kernel = 2, stride = 2, pad = 0 } = {}): string {
  return graph.op('MaxPool', [input], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
  });
}

/** The mean of each channel, [batch, channels]. */
export function pooled({ graph }: Net, input: string): string {
  return graph.op('Flatten', [graph.op('GlobalAveragePool', [input])]);
}
