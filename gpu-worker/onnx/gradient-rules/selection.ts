// Gradients of operators that take elements, repeat them or hand them out along an axis.
import { intAttribute } from '../attributes.ts';
import { intsOf } from '../constants.ts';
import { reduce } from '../reduce.ts';
import {
  frontAxis,
  type GradientContext,
  type GradientRule,
  type GradientRules,
  type OutputsRule,
  refuseForm,
  unbroadcast,
} from './gradient-rule.ts';

/**
 * Adds each slice of a gradient along an axis to the place that it was taken from; places that nothing was taken from get 0.
 * @param gradient with as many elements along the axis as there are places
 * @param extent of the tensor along the axis
 */
export function scatterAlong(
  { graph }: GradientContext,
  gradient: string,
  { axis, places, extent, rank }: { axis: number; places: readonly number[]; extent: number; rank: number },
): string {
  const [first] = places;
  // A run of neighbours, as of one class token among others, needs no scattering.
  if (places.every((place, index) => place === first + index)) {
    const pads = Array.from({ length: 2 * rank }, () => 0);
    pads[axis] = first;
    pads[axis + rank] = extent - first - places.length;
    return graph.op('Pad', [gradient, graph.ints(pads)]);
  }
  const shape = graph.op('Shape', [gradient]);
  const along = graph.op('Reshape', [
    graph.ints(places),
    graph.ints(Array.from({ length: rank }, (_, other) => (other === axis ? places.length : 1))),
  ]);
  const indices = graph.op('Expand', [along, shape]);
  const whole = graph.op('ScatterElements', [shape, graph.ints([axis]), graph.ints([extent])], { axis: 0 });
  const zeros = graph.op('ConstantOfShape', [whole]);
  return graph.op('ScatterElements', [zeros, indices, gradient], { axis, reduction: 'add' });
}

const gather: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf } = context;
  const [x, indices] = node.input;
  const shape = shapeOf(x);
  const axis = frontAxis(intAttribute(node, 'axis', 0), shape.length);
  if (shape[axis] < 1) return refuseForm(node, 'it takes from the batch');
  const constant = graph.constant(indices);
  if (constant === undefined) return refuseForm(node, 'its indices are not constant');
  const places = intsOf(constant).map((place) => frontAxis(place, shape[axis]));
  const target = shape.map((extent, other) => (other === axis ? places.length : Math.max(extent, -1)));
  const flat = constant.dims.length === 1 ? gradient : graph.op('Reshape', [gradient, graph.ints(target)]);
  return [scatterAlong(context, flat, { axis, places, extent: shape[axis], rank: shape.length })];
};

const expand: GradientRule = (context, node, gradient) => [
  unbroadcast(context, gradient, { from: context.shapeOf(node.output[0]), to: node.input[0] }),
];

/** Repeats are summed: each axis is taken apart into the repeats and the extent. */
const tile: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  const shape = shapeOf(node.input[0]);
  const constant = graph.constant(node.input[1]);
  if (constant === undefined) return refuseForm(node, 'its repeats are not constant');
  const repeats = intsOf(constant);
  if (repeats.some((count, axis) => shape[axis] < 1 && count !== 1))
    return refuseForm(node, 'it repeats the batch');
  const apart = shape.flatMap((extent, axis) => [repeats[axis], Math.max(extent, -1)]);
  const split = graph.op('Reshape', [gradient, graph.ints(apart)]);
  return [reduce(graph, 'Sum', split, { axes: shape.map((_, axis) => 2 * axis), keep: false })];
};

const trilu: GradientRule = ({ graph }, node, gradient) => [
  graph.op('Trilu', [gradient, ...node.input.slice(1)], { upper: intAttribute(node, 'upper', 1) }),
];

/** The parts joined again, zeros where nothing depends on one. */
const split: OutputsRule = ({ graph, shapeOf }, node, gradients) => {
  const axis = frontAxis(intAttribute(node, 'axis', 0), shapeOf(node.input[0]).length);
  if (shapeOf(node.input[0])[axis] < 1) return refuseForm(node, 'it splits the batch');
  const parts = node.output.map(
    (output, index) => gradients[index] ?? graph.op('ConstantOfShape', [graph.op('Shape', [output])]),
  );
  return [graph.op('Concat', parts, { axis })];
};

/** The largest elements' gradients go back to where they were found. */
const topK: OutputsRule = ({ graph, shapeOf }, node, gradients) => {
  const [x] = node.input;
  const shape = shapeOf(x);
  const axis = frontAxis(intAttribute(node, 'axis', -1), shape.length);
  if (shape[axis] < 1) return refuseForm(node, 'it picks from the batch');
  if (gradients[0] === undefined) return [];
  const zeros = graph.op('ConstantOfShape', [graph.op('Shape', [x])]);
  return [graph.op('ScatterElements', [zeros, node.output[1], gradients[0]], { axis, reduction: 'add' })];
};

/** Along an axis everything before an element, or behind it, has part in it. */
const cumulativeSum: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  const constant = graph.constant(node.input[1]);
  const axis = constant === undefined ? undefined : intsOf(constant)[0];
  if (axis === undefined) return refuseForm(node, 'its axis is not constant');
  if (frontAxis(axis, shapeOf(node.input[0]).length) === 0) return refuseForm(node, 'it sums over the batch');
  const [exclusive, reverse] = ['exclusive', 'reverse'].map((name) => intAttribute(node, name, 0));
  return [graph.op('CumSum', [gradient, node.input[1]], { exclusive, reverse: 1 - reverse })];
};

export const selectionRules: GradientRules = {
  Gather: gather,
  Expand: expand,
  Tile: tile,
  Trilu: trilu,
  CumSum: cumulativeSum,
};

export const selectionOutputsRules: Readonly<Record<string, OutputsRule>> = { Split: split, TopK: topK };
