// Gradients of convolutions by their input, their weights and their bias.
import { elementCount } from '../../../shared/maths/tensor.ts';
import { intAttribute, intsAttribute, stringAttribute } from '../attributes.ts';
import { floatsOf } from '../constants.ts';
import { reduce } from '../reduce.ts';
import { type GradientContext, type GradientRule, type GradientRules, refuseForm } from './gradient-rule.ts';
import { extentsOf, transposedConvolution, type Window, type WindowExtents, windowOf } from './window.ts';

/** ONNX Runtime's fast convolution on processors works on blocks of channels; with fewer the transpose is faster. */
const channelBlock = 8;

const conv: GradientRule = (context, node, gradient) => {
  const { isActive, isParameter, shapeOf } = context;
  const [input, weights, bias] = node.input;
  for (const [name, what] of [
    [weights, 'weights depend'],
    [bias, 'bias depends'],
  ]) {
    if (name !== undefined && isActive(name) && !isParameter(name))
      return refuseForm(node, `its ${what} on the input`);
  }
  const extents = extentsOf(context, node);
  const window = windowOf(node, extents, shapeOf(weights).slice(2));
  const group = intAttribute(node, 'group', 1);
  const form = { window, extents, group };
  return [
    isActive(input) ? byInput(context, gradient, { weights, ...form }) : undefined,
    isActive(weights) ? byWeights(context, gradient, { input, weights, ...form }) : undefined,
    bias !== undefined && isActive(bias) ? byBias(context, gradient, shapeOf(weights).length) : undefined,
  ];
};

interface Form {
  readonly window: Window;
  readonly extents: WindowExtents;
  readonly group: number;
}

function byInput(
  context: GradientContext,
  gradient: string,
  { weights, window, extents, group }: Form & { readonly weights: string },
): string {
  if (group === 1 && context.shapeOf(weights)[1] % channelBlock === 0 && canFlip(window)) {
    const flipped = flippedConvolution(context, gradient, { weights, window });
    if (flipped !== undefined) return flipped;
  }
  return transposedConvolution(context, gradient, { weights, window, extents, group });
}

/**
 * The elements that each weight met, times the gradients that they went into, summed over places and rows.
 *
 * A convolution of each channel with one-hot kernels lays those elements out by weight; the rest is one matrix product a
 * row. A convolution of the input with the gradient as its kernel would give the same in half as much time again.
 */
function byWeights(
  { graph, shapeOf }: GradientContext,
  gradient: string,
  { input, weights, window, extents, group }: Form & { readonly input: string; readonly weights: string },
): string {
  const { kernel, strides, dilations, begin, end } = window;
  const [outputs, channels] = shapeOf(weights);
  const size = elementCount(kernel);
  const oneHot = new Float32Array(group * channels * size * size);
  for (let row = 0; row < group * channels * size; row++) oneHot[row * size + (row % size)] = 1;
  const met = graph.op('Conv', [input, graph.floats([group * channels * size, 1, ...kernel], oneHot)], {
    kernel_shape: kernel,
    strides,
    dilations,
    pads: [...begin, ...end],
    group: group * channels,
  });
  const places = elementCount(extents.output);
  const matrices = (tensor: string, rows: number) =>
    graph.op('Reshape', [tensor, graph.ints([-1, group, rows, places])]);
  const transposed = graph.op('Transpose', [matrices(met, channels * size)], { perm: [0, 1, 3, 2] });
  const products = graph.op('MatMul', [matrices(gradient, outputs / group), transposed]);
  const sum = reduce(graph, 'Sum', products, { axes: [0], keep: false });
  return graph.op('Reshape', [sum, graph.ints([outputs, channels, ...kernel])]);
}

function byBias({ graph }: GradientContext, gradient: string, rank: number): string {
  const axes = [...Array(rank).keys()].filter((axis) => axis !== 1);
  return reduce(graph, 'Sum', gradient, { axes, keep: false });
}

/** A plain convolution can stand for the transpose where no stride is taken and no padding exceeds the kernel. */
function canFlip({ kernel, strides, dilations, begin, end }: Window): boolean {
  return kernel.every((extent, axis) => {
    const reach = dilations[axis] * (extent - 1);
    return strides[axis] === 1 && begin[axis] <= reach && end[axis] <= reach;
  });
}

/** The transpose as a convolution with the kernel turned around and its channels swapped. */
function flippedConvolution(
  { graph }: GradientContext,
  gradient: string,
  { weights, window }: { weights: string; window: Window },
): string | undefined {
  const constant = graph.constant(weights);
  if (constant === undefined) return undefined;
  const [outputs, inputs] = constant.dims.map(Number);
  const { kernel, strides, dilations, begin, end } = window;
  const size = elementCount(kernel);
  const values = floatsOf(constant);
  const flipped = new Float32Array(values.length);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      for (let place = 0; place < size; place++) {
        flipped[(input * outputs + output) * size + place] =
          values[(output * inputs + input) * size + size - 1 - place];
      }
    }
  }
  const reach = kernel.map((extent, axis) => dilations[axis] * (extent - 1));
  const pads = [begin, end].flatMap((padding) => padding.map((count, axis) => reach[axis] - count));
  return graph.op('Conv', [gradient, graph.floats([inputs, outputs, ...kernel], flipped)], {
    kernel_shape: kernel,
    strides,
    dilations,
    pads,
  });
}

/** The transpose's transpose: a plain convolution of the gradient with the same weights. */
const convTranspose: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf } = context;
  const [, weights] = node.input;
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return refuseForm(node, 'it pads by itself');
  if (intsAttribute(node, 'output_shape') !== undefined) return refuseForm(node, 'it is given its extent');
  const kernel = shapeOf(weights).slice(2);
  const { strides, dilations, begin, end } = windowOf(node, extentsOf(context, node), kernel);
  const group = intAttribute(node, 'group', 1);
  return [
    graph.op('Conv', [gradient, weights], {
      kernel_shape: kernel,
      strides,
      dilations,
      pads: [...begin, ...end],
      group,
    }),
  ];
};

export const convolutionRules: GradientRules = { Conv: conv, ConvTranspose: convTranspose };
