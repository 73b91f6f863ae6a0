// Gradients of means, sums, norms and extremes over some axes.
import { elementCount } from '../../../shared/maths/tensor.ts';
import { intsAttribute } from '../attributes.ts';
import { intsOf } from '../constants.ts';
import type { GraphBuilder } from '../graph.ts';
import { reduce } from '../reduce.ts';
import { elementTypes, type NodeProto } from '../schema/messages.ts';
import {
  expandLike,
  frontAxis,
  type GradientContext,
  type GradientRule,
  type GradientRules,
  refuseForm,
  scalar,
} from './gradient-rule.ts';

/** Axes that a node reduces: all but batch and channels for the global pools. */
function axesOf({ graph, shapeOf }: GradientContext, node: NodeProto): number[] {
  const shape = shapeOf(node.input[0]);
  const all = [...shape.keys()];
  if (node.opType.startsWith('Global')) return all.slice(2);
  const input = node.input[1] ?? '';
  const constant = graph.constant(input);
  if (input !== '' && constant === undefined) return refuseForm(node, 'its axes are not constant');
  const given = constant === undefined ? intsAttribute(node, 'axes') : intsOf(constant);
  const axes =
    given === undefined || given.length === 0 ? all : given.map((axis) => frontAxis(axis, all.length));
  return axes.some((axis) => shape[axis] < 1) ? refuseForm(node, 'it reduces the batch') : axes;
}

/** Gives a reduced tensor its axes back, with extent 1. */
function restoreAxes(
  { graph, shapeOf }: GradientContext,
  tensor: string,
  { node, axes }: ReducedNode,
): string {
  const shape = shapeOf(node.input[0]);
  if (shapeOf(node.output[0]).length === shape.length) return tensor;
  const restored = shape.map((extent, axis) => (axes.includes(axis) ? 1 : Math.max(extent, -1)));
  return graph.op('Reshape', [tensor, graph.ints(restored)]);
}

interface ReducedNode {
  readonly node: NodeProto;
  readonly axes: readonly number[];
}

/** Every element gets the same share of the gradient. */
function spread(shareOf: (count: number) => number): GradientRule {
  return (context, node, gradient) => {
    const { graph, shapeOf } = context;
    const axes = axesOf(context, node);
    const shape = shapeOf(node.input[0]);
    // One product with a constant over the reduced axes takes the share and spreads it.
    const extents = shape.map((extent, axis) => (axes.includes(axis) ? extent : 1));
    const count = elementCount(extents);
    const shares = graph.floats(extents, new Float32Array(count).fill(shareOf(count)));
    return [graph.op('Mul', [restoreAxes(context, gradient, { node, axes }), shares])];
  };
}

/** The largest elements, or the smallest, get the gradient, in equal shares where they are several. */
const extreme: GradientRule = (context, node, gradient) => {
  const { graph } = context;
  const axes = axesOf(context, node);
  const largest = restoreAxes(context, node.output[0], { node, axes });
  const equal = graph.op('Equal', [node.input[0], largest]);
  const mask = graph.op('Cast', [equal], { to: elementTypes.float });
  const count = reduce(graph, 'Sum', mask, { axes, keep: true });
  const share = graph.op('Div', [restoreAxes(context, gradient, { node, axes }), count]);
  return [graph.op('Mul', [mask, share])];
};

/** Each element's share depends on its value x and the reduced value y. */
function weighted(weightOf: (graph: GraphBuilder, x: string, y: string) => string): GradientRule {
  return (context, node, gradient) => {
    const { graph } = context;
    const axes = axesOf(context, node);
    const restored = restoreAxes(context, gradient, { node, axes });
    const value = restoreAxes(context, node.output[0], { node, axes });
    return [graph.op('Mul', [restored, weightOf(graph, node.input[0], value)])];
  };
}

/** Keeps the slope of a norm at 0, which it does not have, from being no number. */
const normMin = 1e-30;

/** The logarithm of a sum: every element has the same share, the sum's inverse. */
const logarithm: GradientRule = (context, node, gradient) => {
  const { graph } = context;
  const axes = axesOf(context, node);
  const inverse = graph.op('Exp', [graph.op('Neg', [node.output[0]])]);
  const share = restoreAxes(context, graph.op('Mul', [gradient, inverse]), { node, axes });
  return [expandLike(context, share, node.input[0])];
};

export const reductionRules: GradientRules = {
  ReduceMean: spread((count) => 1 / count),
  ReduceSum: spread(() => 1),
  ReduceMax: extreme,
  ReduceMin: extreme,
  ReduceL1: weighted((graph, x) => graph.op('Sign', [x])),
  ReduceL2: weighted((graph, x, y) => graph.op('Div', [x, graph.op('Max', [y, scalar(graph, normMin)])])),
  ReduceSumSquare: weighted((graph, x) => graph.op('Add', [x, x])),
  ReduceLogSum: logarithm,
  ReduceLogSumExp: weighted((graph, x, y) => graph.op('Exp', [graph.op('Sub', [x, y])])),
  GlobalAveragePool: spread((count) => 1 / count),
  GlobalMaxPool: extreme,
};
