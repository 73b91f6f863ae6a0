// Gradients of convolutions by their input.

import { elementCount } from '../../../shared/maths/tensor.ts';
import { intAttribute } from '../attributes.ts';
import { floatsOf } from '../constants.ts';
import { type GradientContext, type GradientRule, type GradientRules, refuseForm } from './gradient-rule.ts';
import { extentsOf, transposedConvolution, type Window, windowOf } from './window.ts';

/** ONNX Runtime's fast convolution on processors works on blocks of channels; with fewer the transpose is faster. */
const channelBlock = 8;

const conv: GradientRule = (context, node, gradient) => {
  const [, weights, bias] = node.input;
  if (context.isActive(weights)) return refuseForm(node, 'its weights depend on the input');
  if (bias !== undefined && context.isActive(bias)) return refuseForm(node, 'its bias depends on the input');
  const shape = context.shapeOf(weights);
  const extents = extentsOf(context, node);
  const window = windowOf(node, extents, shape.slice(2));
  const group = intAttribute(node, 'group', 1);
  if (group === 1 && shape[1] % channelBlock === 0 && canFlip(window)) {
    const flipped = flippedConvolution(context, gradient, { weights, window });
    if (flipped !== undefined) return [flipped];
  }
  return [transposedConvolution(context, gradient, { weights, window, extents, group })];
};

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
