// Small transformers, and networks over recordings and sequences of features.
import { batchNorm, block, convolution, dense, drawn, type Net, projection, writeNet } from './layers.ts';

const width = 12;
const heads = 3;

/** How an exporter wrote a vision transformer. */
export interface TransformerOptions {
  /** Operators that later sets have: LayerNormalization from 17, Gelu from 20; composed of smaller ones where not. */
  readonly opset: number;
  /** The class token: stretched to the batch as it is at run time, or frozen for a batch of one. */
  readonly batch: 'free' | 'one';
  /** Queries, keys and values of one product that is split, or each of its own. */
  readonly splits: boolean;
}

/** Dosovitskiy et al. 2021: 16 patches and a class token through two blocks, before their norms. */
export function visionTransformer({ opset, batch, splits }: TransformerOptions): Uint8Array {
  return writeNet({ shape: [batch === 'one' ? 1 : 'batch', 3, 16, 16], opset }, (net, input) => {
    const { graph } = net;
    const patches = convolution(net, input, { from: 3, to: width, kernel: [4, 4], stride: 4 });
    const flat = graph.op('Reshape', [
      patches,
      graph.ints(batch === 'one' ? [1, width, 16] : [0, width, -1]),
    ]);
    const rows = graph.op('Transpose', [flat], { perm: [0, 2, 1] });
    const tokens = graph.op('Concat', [classToken(net, input, batch), rows], { axis: 1 });
    let stream = graph.op('Add', [tokens, drawn(net, [1, 17, width], 0.3)]);
    for (let layer = 0; layer < 2; layer++) {
      const attended = attention(net, layerNorm(net, stream, opset), { splits, batch });
      stream = graph.op('Add', [stream, attended]);
      const opened = projection(net, layerNorm(net, stream, opset), { from: width, to: 2 * width });
      const closed = projection(net, gelu(net, opened, opset), { from: 2 * width, to: width });
      stream = graph.op('Add', [stream, closed]);
    }
    const first = graph.op('Gather', [layerNorm(net, stream, opset), graph.scalarInt(0)], { axis: 1 });
    return dense(net, first, { from: width, to: 5 });
  });
}

function classToken(net: Net, input: string, batch: TransformerOptions['batch']): string {
  const { graph } = net;
  const token = drawn(net, [1, 1, width], 0.5);
  if (batch === 'one') return token;
  const count = graph.op('Gather', [graph.op('Shape', [input]), graph.ints([0])]);
  return graph.op('Expand', [token, graph.op('Concat', [count, graph.ints([1, width])], { axis: 0 })]);
}

function layerNorm(net: Net, input: string, opset: number): string {
  const { graph } = net;
  const [scale, bias] = [graph.floats([width], new Float32Array(width).fill(1.1)), drawn(net, [width], 0.1)];
  if (opset >= 17) return graph.op('LayerNormalization', [input, scale, bias]);
  const mean = (of: string) => graph.op('ReduceMean', [of], { axes: [-1] });
  const centred = graph.op('Sub', [input, mean(input)]);
  const variance = mean(graph.op('Pow', [centred, graph.floats([], [2])]));
  const deviation = graph.op('Sqrt', [graph.op('Add', [variance, graph.floats([], [1e-5])])]);
  return graph.op('Add', [graph.op('Mul', [graph.op('Div', [centred, deviation]), scale]), bias]);
}

function gelu({ graph }: Net, input: string, opset: number): string {
  if (opset >= 20) return graph.op('Gelu', [input]);
  const scaled = graph.op('Div', [input, graph.floats([], [Math.SQRT2])]);
  const sum = graph.op('Add', [graph.op('Erf', [scaled]), graph.floats([], [1])]);
  return graph.op('Mul', [graph.op('Mul', [input, sum]), graph.floats([], [0.5])]);
}

function attention(
  net: Net,
  input: string,
  { splits, batch }: Pick<TransformerOptions, 'splits' | 'batch'>,
): string {
  const { graph } = net;
  const rows = batch === 'one' ? 1 : 0;
  const byHead = (tensor: string) => {
    const apart = graph.op('Reshape', [tensor, graph.ints([rows, 17, heads, width / heads])]);
    return graph.op('Transpose', [apart], { perm: [0, 2, 1, 3] });
  };
  let parts: string[];
  if (splits) {
    const all = projection(net, input, { from: width, to: 3 * width });
    const first = graph.op('Split', [all, graph.ints([width, width, width])], { axis: -1 });
    const node = graph.producer(first)!;
    node.output.push(graph.freeName('key'), graph.freeName('value'));
    parts = node.output.map(byHead);
  } else {
    parts = [0, 1, 2].map(() => byHead(projection(net, input, { from: width, to: width })));
  }
  const [query, key, value] = parts;
  const product = graph.op('MatMul', [query, graph.op('Transpose', [key], { perm: [0, 1, 3, 2] })]);
  const scores = graph.op('Mul', [product, graph.floats([], [1 / Math.sqrt(width / heads)])]);
  const mixed = graph.op('MatMul', [graph.op('Softmax', [scores], { axis: -1 }), value]);
  const joined = graph.op('Transpose', [mixed], { perm: [0, 2, 1, 3] });
  const flat = graph.op('Reshape', [joined, graph.ints([rows, 17, width])]);
  return projection(net, flat, { from: width, to: width });
}

/** Dai et al. 2017: strided convolutions over the wave itself, [batch, samples]. */
export function audioNet(): Uint8Array {
  return writeNet({ shape: ['batch', 512] }, (net, input) => {
    const { graph } = net;
    const wave = graph.op('Unsqueeze', [input, graph.ints([1])]);
    const first = block(net, wave, { from: 1, to: 8, kernel: [16], stride: 4, pad: 6 });
    const pool = graph.op('MaxPool', [first], { kernel_shape: [4], strides: [4] });
    const second = block(net, pool, { from: 8, to: 12, kernel: [3], pad: 1 });
    const halved = graph.op('AveragePool', [second], { kernel_shape: [3], strides: [2], pads: [1, 1] });
    return dense(net, graph.op('ReduceMean', [halved], { axes: [2], keepdims: 0 }), { from: 12, to: 5 });
  });
}

/** Snyder et al. 2018: dilated convolutions over frames, mean and deviation of each channel, an embedding of length 1. */
export function timeDelayNet(): Uint8Array {
  return writeNet({ shape: ['batch', 40, 10], opset: 18 }, (net, input) => {
    const { graph } = net;
    const frames = graph.op('Transpose', [input], { perm: [0, 2, 1] });
    const first = block(net, frames, { from: 10, to: 12, kernel: [5] });
    const second = block(net, first, { from: 12, to: 12, kernel: [3], dilation: 2 });
    const last = block(net, second, { from: 12, to: 16, kernel: [3], dilation: 3 }, 'LeakyRelu');
    const mean = graph.op('ReduceMean', [last, graph.ints([2])], { keepdims: 1 });
    const centred = graph.op('Sub', [last, mean]);
    const squares = graph.op('ReduceMean', [graph.op('Mul', [centred, centred]), graph.ints([2])], {
      keepdims: 0,
    });
    const deviation = graph.op('Sqrt', [graph.op('Add', [squares, graph.floats([], [1e-4])])]);
    const flat = graph.op('Squeeze', [mean, graph.ints([2])]);
    const statistics = graph.op('Concat', [flat, deviation], { axis: 1 });
    const embedding = graph.op('Relu', [dense(net, statistics, { from: 32, to: 12 })]);
    const norm = graph.op('ReduceL2', [embedding, graph.ints([-1])], { keepdims: 1 });
    return dense(net, graph.op('Div', [embedding, norm]), { from: 12, to: 5 });
  });
}

/** A transformer over frames whose last layers pool by attention (Okabe et al. 2018). */
export function attentivePooling(): Uint8Array {
  return writeNet({ shape: ['batch', 24, 8], opset: 21 }, (net, input) => {
    const { graph } = net;
    const frames = graph.op('Tanh', [projection(net, input, { from: 8, to: 12 })]);
    const scores = projection(net, frames, { from: 12, to: 1 });
    const weights = graph.op('Softmax', [scores], { axis: 1 });
    const sum = (of: string) => graph.op('ReduceSum', [of, graph.ints([1])], { keepdims: 0 });
    const mean = sum(graph.op('Mul', [frames, weights]));
    const squares = sum(graph.op('Mul', [graph.op('Mul', [frames, frames]), weights]));
    const variance = graph.op('Sub', [squares, graph.op('Mul', [mean, mean])]);
    const floor = graph.floats([], [1e-4]);
    const deviation = graph.op('Sqrt', [graph.op('Max', [variance, floor])]);
    return dense(net, graph.op('Concat', [mean, deviation], { axis: -1 }), { from: 24, to: 5 });
  });
}

/** Layers that have no gradient rule: they compile and run. */
export function recurrentNet(): Uint8Array {
  return writeNet({ shape: ['batch', 12, 6] }, (net, input) => {
    const { graph } = net;
    const steps = graph.op('Transpose', [input], { perm: [1, 0, 2] });
    const cells = [drawn(net, [1, 24, 6], 0.4), drawn(net, [1, 24, 6], 0.4)];
    const lstm = graph.op('LSTM', [steps, ...cells], { hidden_size: 6 });
    const states = graph.op('Squeeze', [lstm, graph.ints([1])]);
    const last = graph.op('Gather', [states, graph.scalarInt(-1)], { axis: 0 });
    return dense(net, batchNorm(net, last, 6), { from: 6, to: 5 });
  });
}
