// Gradients of operators that only move elements.
import { intAttribute, intsAttribute, stringAttribute } from '../attributes.ts';
import { intsOf } from '../constants.ts';
import type { NodeProto } from '../schema/messages.ts';
import {
  frontAxis,
  type GradientContext,
  type GradientRule,
  type GradientRules,
  refuseForm,
  reshapeLike,
} from './gradient-rule.ts';

/** Begin and end of a part along one axis. */
interface Part {
  readonly axis: number;
  readonly begin: number;
  readonly end: number;
}

const reshape: GradientRule = (context, node, gradient) => [reshapeLike(context, gradient, node.input[0])];

const transpose: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  const rank = shapeOf(node.input[0]).length;
  const order = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return [graph.op('Transpose', [gradient], { perm: inverse })];
};

const concat: GradientRule = (context, node, gradient) => {
  const axis = frontAxis(intAttribute(node, 'axis', 0), context.shapeOf(node.output[0]).length);
  let begin = 0;
  return node.input.map((operand) => {
    const extent = context.shapeOf(operand)[axis];
    if (extent < 1) return refuseForm(node, 'it joins along the batch');
    const part = { axis, begin, end: begin + extent };
    begin = part.end;
    return context.isActive(operand) ? cut(context, gradient, [part]) : undefined;
  });
};

const slice: GradientRule = (context, node, gradient) => {
  const shape = context.shapeOf(node.input[0]);
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((index) => constantInts(context, node, index));
  if (starts === undefined || ends === undefined) return refuseForm(node, 'its bounds are missing');
  if (steps?.some((step) => step !== 1)) return refuseForm(node, 'it has a step');
  const pads = Array.from({ length: 2 * shape.length }, () => 0);
  for (const [index, start] of starts.entries()) {
    const axis = frontAxis(axes?.[index] ?? index, shape.length);
    const extent = shape[axis];
    if (extent < 1) return refuseForm(node, 'it cuts along the batch');
    // Bounds beyond the tensor mean its ends, negative ones count from behind.
    const bound = (value: number) => Math.min(extent, Math.max(0, value < 0 ? value + extent : value));
    pads[axis] = bound(start);
    pads[axis + shape.length] = extent - bound(ends[index]);
  }
  return [context.graph.op('Pad', [gradient, context.graph.ints(pads)])];
};

const pad: GradientRule = (context, node, gradient) => {
  const shape = context.shapeOf(node.input[0]);
  if (stringAttribute(node, 'mode', 'constant') !== 'constant') {
    return refuseForm(node, 'it does not pad with a constant');
  }
  const pads = constantInts(context, node, 1);
  if (pads === undefined) return refuseForm(node, 'its pads are missing');
  if (pads.some((count) => count < 0)) return refuseForm(node, 'it cuts by negative pads');
  const axes = constantInts(context, node, 3) ?? [...shape.keys()];
  const parts = axes.flatMap((given, index): Part[] => {
    const axis = frontAxis(given, shape.length);
    const begin = pads[index];
    if (begin === 0 && pads[index + axes.length] === 0) return [];
    return shape[axis] < 1
      ? refuseForm(node, 'it pads the batch')
      : [{ axis, begin, end: begin + shape[axis] }];
  });
  return [cut(context, gradient, parts)];
};

/** Cuts parts out of a tensor. */
function cut({ graph }: GradientContext, tensor: string, parts: readonly Part[]): string {
  if (parts.length === 0) return tensor;
  const begins = graph.ints(parts.map(({ begin }) => begin));
  const ends = graph.ints(parts.map(({ end }) => end));
  return graph.op('Slice', [tensor, begins, ends, graph.ints(parts.map(({ axis }) => axis))]);
}

/** Integers of an optional input; undefined where it is absent. */
function constantInts({ graph }: GradientContext, node: NodeProto, index: number): number[] | undefined {
  const name = node.input[index] ?? '';
  if (name === '') return undefined;
  const constant = graph.constant(name);
  return constant === undefined ? refuseForm(node, `${name} is not a constant`) : intsOf(constant);
}

export const shapingRules: GradientRules = {
  Flatten: reshape,
  Reshape: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Pad: pad,
};
