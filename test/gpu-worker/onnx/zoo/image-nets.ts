// Small convolutional networks of the families that are in use, over images of 3 x 16 x 16.
import {
  batchNorm,
  block,
  convolution,
  dense,
  drawn,
  maxPool,
  type Net,
  pooled,
  writeNet,
} from './layers.ts';

const image = ['batch', 3, 16, 16] as const;
const side3 = [3, 3];
const side1 = [1, 1];

/** LeCun et al. 1998: hyperbolic tangents and mean pools. */
export function leNet(): Uint8Array {
  return writeNet({ shape: ['batch', 1, 28, 28] }, (net, input) => {
    const { graph } = net;
    const halved = (maps: string) =>
      graph.op('AveragePool', [maps], { kernel_shape: [2, 2], strides: [2, 2] });
    const first = graph.op('Tanh', [convolution(net, input, { from: 1, to: 6, kernel: [5, 5], pad: 2 })]);
    const second = graph.op('Tanh', [convolution(net, halved(first), { from: 6, to: 16, kernel: [5, 5] })]);
    const third = graph.op('Tanh', [
      dense(net, graph.op('Flatten', [halved(second)]), { from: 400, to: 120 }),
    ]);
    return dense(net, graph.op('Tanh', [dense(net, third, { from: 120, to: 84 })]), { from: 84, to: 5 });
  });
}

/** AlexNet's parts (Krizhevsky, Sutskever and Hinton 2012): strides, response normalisation, overlapping pools. */
export function alexNet(): Uint8Array {
  return writeNet({ shape: ['batch', 3, 33, 33], opset: 11 }, (net, input) => {
    const { graph } = net;
    const first = graph.op('Relu', [
      convolution(net, input, { from: 3, to: 8, kernel: [5, 5], stride: 2, pad: 2 }),
    ]);
    const attributes = { size: 5, alpha: { float: 0.1 }, beta: { float: 0.75 }, bias: { float: 1 } };
    const pool = maxPool(net, graph.op('LRN', [first], attributes), { kernel: 3, stride: 2 });
    const second = graph.op('Relu', [
      convolution(net, pool, { from: 8, to: 12, kernel: side3, pad: 1, group: 2 }),
    ]);
    const flat = graph.op('Flatten', [maxPool(net, second, { kernel: 3, stride: 2 })]);
    const hidden = graph.op('Relu', [dense(net, graph.op('Dropout', [flat]), { from: 108, to: 24 })]);
    return dense(net, hidden, { from: 24, to: 5 });
  });
}

/** Simonyan and Zisserman 2015, with batch normalisation. */
export function vgg(): Uint8Array {
  return writeNet({ shape: image }, (net, input) => {
    const { graph } = net;
    const stage = (maps: string, from: number, to: number) => {
      const first = block(net, maps, { from, to, kernel: side3, pad: 1 });
      return maxPool(net, block(net, first, { from: to, to, kernel: side3, pad: 1 }));
    };
    const maps = stage(stage(stage(input, 3, 8), 8, 12), 12, 16);
    const flat = graph.op('Reshape', [maps, graph.ints([-1, 64])]);
    const hidden = graph.op('Relu', [dense(net, graph.op('Dropout', [flat]), { from: 64, to: 24 })]);
    return dense(net, hidden, { from: 24, to: 5 });
  });
}

/** He et al. 2016: two stages, with the stem of the larger nets. */
export function resNet(): Uint8Array {
  return writeNet({ shape: [1, 3, 16, 16] }, (net, input) => {
    const { graph } = net;
    const basic = (maps: string, from: number, to: number, stride: number) => {
      const first = block(net, maps, { from, to, kernel: side3, stride, pad: 1 });
      const second = batchNorm(net, convolution(net, first, { from: to, to, kernel: side3, pad: 1 }), to);
      const straight =
        from === to ? maps : batchNorm(net, convolution(net, maps, { from, to, kernel: side1, stride }), to);
      return graph.op('Relu', [graph.op('Add', [second, straight])]);
    };
    const stem = block(net, input, { from: 3, to: 8, kernel: [7, 7], stride: 2, pad: 3 });
    const pool = maxPool(net, stem, { kernel: 3, stride: 2, pad: 1 });
    const last = basic(basic(basic(pool, 8, 8, 1), 8, 16, 2), 16, 16, 1);
    return dense(net, pooled(net, last), { from: 16, to: 5 });
  });
}

/** Inverted residuals of MobileNetV3 (Howard et al. 2019): depthwise convolutions, hard swish, ReLU6, a gate in the middle. */
export function mobileNet(): Uint8Array {
  return writeNet({ shape: image }, (net, input) => {
    const { graph } = net;
    const relu6 = (maps: string) => graph.op('Clip', [maps, graph.floats([], [0]), graph.floats([], [6])]);
    const inverted = (maps: string, channels: number, hardSwish: boolean) => {
      const wide = 3 * channels;
      const activation = (of: string) => (hardSwish ? graph.op('HardSwish', [of]) : relu6(of));
      const opened = activation(
        batchNorm(net, convolution(net, maps, { from: channels, to: wide, kernel: side1 }), wide),
      );
      const depthwise = { from: wide, to: wide, kernel: side3, pad: 1, group: wide };
      const filtered = activation(batchNorm(net, convolution(net, opened, depthwise), wide));
      const gated = hardSwish ? squeezeAndExcite(net, filtered, { channels: wide, hard: true }) : filtered;
      const closed = convolution(net, gated, { from: wide, to: channels, kernel: side1 });
      return graph.op('Add', [maps, batchNorm(net, closed, channels)]);
    };
    const stem = block(net, input, { from: 3, to: 8, kernel: side3, stride: 2, pad: 1 }, 'HardSwish');
    return dense(net, pooled(net, inverted(inverted(stem, 8, false), 8, true)), { from: 8, to: 5 });
  });
}

/** A gate a channel from the mean of each (Hu, Shen and Sun 2018). */
function squeezeAndExcite(
  net: Net,
  maps: string,
  { channels, hard }: { channels: number; hard: boolean },
): string {
  const { graph } = net;
  const means = graph.op('ReduceMean', [maps], { axes: [2, 3], keepdims: 1 });
  const few = Math.max(2, channels >> 2);
  const squeezed = graph.op('Relu', [convolution(net, means, { from: channels, to: few, kernel: side1 })]);
  const opened = convolution(net, squeezed, { from: few, to: channels, kernel: side1 });
  return graph.op('Mul', [maps, graph.op(hard ? 'HardSigmoid' : 'Sigmoid', [opened])]);
}

/** Residual blocks with squeeze-and-excite, and SiLU as exporters write it. */
export function seNet(): Uint8Array {
  return writeNet({ shape: image }, (net, input) => {
    const { graph } = net;
    const silu = (maps: string) => graph.op('Mul', [maps, graph.op('Sigmoid', [maps])]);
    const stem = silu(convolution(net, input, { from: 3, to: 12, kernel: side3, stride: 2, pad: 1 }));
    const branch = block(net, stem, { from: 12, to: 12, kernel: side3, pad: 1 });
    const gated = squeezeAndExcite(net, branch, { channels: 12, hard: false });
    return dense(net, pooled(net, silu(graph.op('Add', [stem, gated]))), { from: 12, to: 5 });
  });
}

/** Huang et al. 2017: every layer reads all before it. */
export function denseNet(): Uint8Array {
  return writeNet({ shape: image }, (net, input) => {
    const { graph } = net;
    const layer = (maps: string, from: number) => {
      const activated = graph.op('Relu', [batchNorm(net, maps, from)]);
      const grown = convolution(net, activated, { from, to: 6, kernel: side3, pad: 1 });
      return graph.op('Concat', [maps, grown], { axis: 1 });
    };
    const stem = convolution(net, input, { from: 3, to: 8, kernel: side3, pad: 1 });
    const first = layer(layer(stem, 8), 14);
    const narrowed = block(net, first, { from: 20, to: 10, kernel: side1 });
    const halved = graph.op('AveragePool', [narrowed], { kernel_shape: [2, 2], strides: [2, 2] });
    const last = graph.op('Relu', [batchNorm(net, layer(halved, 10), 16)]);
    return dense(net, pooled(net, last), { from: 16, to: 5 });
  });
}

/** Parallel branches (Szegedy et al. 2015) and shuffled groups (Zhang et al. 2018), under the pads of TensorFlow. */
export function branched(): Uint8Array {
  return writeNet({ shape: image, opset: 13 }, (net, input) => {
    const { graph } = net;
    const same = { kernel_shape: side3, strides: [1, 1], auto_pad: 'SAME_UPPER' };
    const branches = [
      block(net, input, { from: 3, to: 4, kernel: side1 }),
      block(net, block(net, input, { from: 3, to: 4, kernel: side1 }), {
        from: 4,
        to: 4,
        kernel: side3,
        pad: 1,
      }),
      graph.op('AveragePool', [input], same),
      convolution(net, graph.op('MaxPool', [input], same), { from: 3, to: 1, kernel: side1 }),
    ];
    const joined = graph.op('Concat', branches, { axis: 1 });
    const apart = graph.op('Reshape', [joined, graph.ints([0, 3, 4, 16, 16])]);
    const swapped = graph.op('Transpose', [apart], { perm: [0, 2, 1, 3, 4] });
    const shuffled = graph.op('Reshape', [swapped, graph.ints([0, 12, 16, 16])]);
    const padded = graph.op('Pad', [shuffled, graph.ints([0, 0, 0, 0, 0, 0, 1, 1])]);
    const last = block(net, padded, { from: 12, to: 12, kernel: side3, stride: 2, group: 3 });
    const highest = graph.op('Flatten', [graph.op('GlobalMaxPool', [last])]);
    return dense(net, highest, { from: 12, to: 5 });
  });
}

/** Liu et al. 2022: layer normalisation over channels laid last, GELU, a scale a layer. */
export function convNext(): Uint8Array {
  return writeNet({ shape: image, opset: 20 }, (net, input) => {
    const { graph } = net;
    const stem = convolution(net, input, { from: 3, to: 8, kernel: [2, 2], stride: 2 });
    const filtered = convolution(net, stem, { from: 8, to: 8, kernel: [5, 5], pad: 2, group: 8 });
    const last = graph.op('Transpose', [filtered], { perm: [0, 2, 3, 1] });
    const scale = graph.floats([8], new Float32Array(8).fill(1));
    const normalised = graph.op('LayerNormalization', [last, scale, drawn(net, [8], 0.1)]);
    const opened = graph.op('Gelu', [
      graph.op('MatMul', [normalised, drawn(net, [8, 24], Math.sqrt(1 / 8))]),
    ]);
    const closed = graph.op('MatMul', [opened, drawn(net, [24, 8], Math.sqrt(1 / 24))]);
    const scaled = graph.op('Mul', [closed, drawn(net, [8], 1)]);
    const back = graph.op('Transpose', [scaled], { perm: [0, 3, 1, 2] });
    return dense(net, pooled(net, graph.op('Add', [stem, back])), { from: 8, to: 5 });
  });
}
