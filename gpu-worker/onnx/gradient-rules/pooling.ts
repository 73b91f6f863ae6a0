// Gradients of pools over a sliding window.

import { elementCount } from '../../../shared/maths/tensor.ts';
import { intAttribute, intsAttribute } from '../attributes.ts';
import { type GradientRule, type GradientRules, refuseForm, reshapeLike } from './gradient-rule.ts';
import {
  extentsOf,
  reachingWindow,
  tiles,
  transposedConvolution,
  type Window,
  type WindowExtents,
  windowOf,
} from './window.ts';

/**
 * The gradient goes to the largest element of each window, the first of them where several are: MaxPool's second output
 * says which, as an offset into the whole flattened tensor.
 */
const maxPool: GradientRule = (context, node, gradient) => {
  const { graph } = context;
  if (intAttribute(node, 'storage_order', 0) !== 0) return refuseForm(node, 'it counts by columns');
  const kernel = intsAttribute(node, 'kernel_shape') ?? refuseForm(node, 'it has no kernel');
  const window = windowOf(node, extentsOf(context, node), kernel);
  if ((node.output[1] ?? '') === '') node.output[1] = graph.freeName('MaxPool_indices');
  const indices = node.output[1];
  const [input] = node.input;
  if (tiles(window) && intAttribute(node, 'ceil_mode', 0) === 0) {
    const attributes = { kernel_shape: kernel, strides: window.strides };
    return [graph.op('MaxUnpool', [gradient, indices, graph.op('Shape', [input])], attributes)];
  }
  // Windows overlap, so that gradients of several may meet in one element.
  const all = graph.ints([-1]);
  const flat = (tensor: string) => graph.op('Reshape', [tensor, all]);
  const zeros = flat(graph.op('ConstantOfShape', [graph.op('Shape', [input])]));
  const scattered = graph.op('ScatterElements', [zeros, flat(indices), flat(gradient)], {
    axis: 0,
    reduction: 'add',
  });
  return [reshapeLike(context, scattered, input)];
};

/** Each element of a window gets the same share: the transpose of a convolution with equal weights, channel by channel. */
const averagePool: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf } = context;
  const countsPadding = intAttribute(node, 'count_include_pad', 0) !== 0;
  if (countsPadding && intAttribute(node, 'ceil_mode', 0) !== 0) {
    // Runtimes disagree on what of the last window counts.
    return refuseForm(node, 'it counts its padding and rounds its extent up');
  }
  const kernel = intsAttribute(node, 'kernel_shape') ?? refuseForm(node, 'it has no kernel');
  const extents = extentsOf(context, node);
  const window = reachingWindow(windowOf(node, extents, kernel), extents);
  const channels = shapeOf(node.input[0])[1];
  const size = elementCount(kernel);
  const padded = [...window.begin, ...window.end].some((count) => count > 0);
  let share = gradient;
  if (padded && !countsPadding) {
    const factors = countsInside(window, extents).map((count) => size / count);
    share = graph.op('Mul', [share, graph.floats([1, 1, ...extents.output], factors)]);
  }
  const weights = graph.floats([channels, 1, ...kernel], new Float32Array(channels * size).fill(1 / size));
  return [transposedConvolution(context, share, { weights, window, extents, group: channels })];
};

/** Elements of each window that are not padding, row-major over the output's extents. */
function countsInside(window: Window, { input, output }: WindowExtents): number[] {
  const alongAxis = output.map((extent, axis) =>
    Array.from({ length: extent }, (_, position) => {
      const first = position * window.strides[axis] - window.begin[axis];
      const places = Array.from(
        { length: window.kernel[axis] },
        (_, step) => first + step * window.dilations[axis],
      );
      return places.filter((place) => place >= 0 && place < input[axis]).length;
    }),
  );
  return alongAxis.reduce<number[]>(
    (counts, next) => counts.flatMap((count) => next.map((other) => count * other)),
    [1],
  );
}

export const poolingRules: GradientRules = { MaxPool: maxPool, AveragePool: averagePool };
