// Gradients of convolutions by their input, their weights and their bias.
import { elementCount } from '../../../shared/maths/tensor.ts';
import { intAttribute } from '../attributes.ts';
import { floatsOf } from '../constants.ts';
import { reduce } from '../reduce.ts';
import { type GradientContext, type GradientRule, type GradientRules, refuseForm } from './gradient-rule.ts';
import {
  extentsOf,
  transposedConvolution,
  unseenBehind,
  type Window,
  type WindowExtents,
  windowOf,
} from './window.ts';

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
    isActive(weights) ? byWeights(context, gradient, { input, ...form }) : undefined,
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
 * Every weight met the elements of the input at the strides, one for each output element: a convolution of the input with
 * the gradient as its kernel, where batch and channels, strides and dilations have changed places.
 */
function byWeights(
  { graph, shapeOf }: GradientContext,
  gradient: string,
  { input, window, extents, group }: Form & { readonly input: string },
): string {
  const { kernel, strides, dilations, begin, end } = window;
  const swap = [1, 0, ...kernel.map((_, axis) => axis + 2)];
  const channels = shapeOf(input)[1] / group;
  // Elements behind the last window met no weight. What no end padding can give up is cut off the result.
  const unseen = kernel.map((_, axis) => unseenBehind(window, extents, axis));
  const pads = [...begin, ...end.map((count, axis) => Math.max(0, count - unseen[axis]))];
  const rest = unseen.map((count, axis) => Math.floor(Math.max(0, count - end[axis]) / dilations[axis]));
  const images =
    group === 1
      ? graph.op('Transpose', [input], { perm: swap })
      : graph.op('Reshape', [
          graph.op(
            'Transpose',
            [graph.op('Reshape', [input, graph.ints([0, group, channels, ...extents.input])])],
            { perm: [2, 1, 0, ...kernel.map((_, axis) => axis + 3)] },
          ),
          graph.ints([channels, -1, ...extents.input]),
        ]);
  const product = graph.op('Conv', [images, graph.op('Transpose', [gradient], { perm: swap })], {
    kernel_shape: extents.output,
    strides: dilations,
    dilations: strides,
    pads,
    group,
  });
  const axes = [...rest.keys()].filter((axis) => rest[axis] > 0);
  const part =
    axes.length === 0
      ? product
      : graph.op('Slice', [
          product,
          graph.ints(axes.map(() => 0)),
          graph.ints(axes.map((axis) => kernel[axis])),
          graph.ints(axes.map((axis) => axis + 2)),
        ]);
  return graph.op('Transpose', [part], { perm: swap });
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

export const convolutionRules: GradientRules = { Conv: conv };
