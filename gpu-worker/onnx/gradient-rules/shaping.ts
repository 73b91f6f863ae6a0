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
import { scatterAlong } from './selection.ts';

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
  const rank = shape.length;
  return [
    starts.reduce((inner, start, index) => {
      const axis = frontAxis(axes?.[index] ?? index, rank);
      const extent = shape[axis];
      const step = steps?.[index] ?? 1;
      if (extent < 1) {
        // All of the batch, as exporters write it, is no cut.
        if (start === 0 && step === 1 && ends[index] >= wholeBatch) return inner;
        return refuseForm(node, 'it cuts along the batch');
      }
      const places = placesOf({ start, end: ends[index], step }, extent);
      return places.length === extent && step === 1
        ? inner
        : scatterAlong(context, inner, { axis, places, extent, rank });
    }, gradient),
  ];
};

/** Ends from here on stand for all that there is. */
const wholeBatch = 2 ** 31 - 1;

/** Places that a slice takes along an axis: bounds beyond it mean its ends, negative ones count from behind. */
function placesOf(
  { start, end, step }: { start: number; end: number; step: number },
  extent: number,
): number[] {
  const [lowest, highest] = step > 0 ? [0, extent] : [-1, extent - 1];
  const bound = (value: number) => Math.min(highest, Math.max(lowest, value < 0 ? value + extent : value));
  const [first, last] = [bound(start), bound(end)];
  const count = Math.max(0, Math.ceil((last - first) / step));
  return Array.from({ length: count }, (_, index) => first + index * step);
}

const pad: GradientRule = (context, node, gradient) => {
  const shape = context.shapeOf(node.input[0]);
  const mode = stringAttribute(node, 'mode', 'constant');
  const pads = constantInts(context, node, 1);
  if (pads === undefined) return refuseForm(node, 'its pads are missing');
  if (pads.some((count) => count < 0)) return refuseForm(node, 'it cuts by negative pads');
  const axes = constantInts(context, node, 3) ?? [...shape.keys()];
  const padded = axes.flatMap((given, index) => {
    const axis = frontAxis(given, shape.length);
    const [before, after] = [pads[index], pads[index + axes.length]];
    if (before === 0 && after === 0) return [];
    return shape[axis] < 1 ? refuseForm(node, 'it pads the batch') : [{ axis, before, after }];
  });
  if (mode === 'constant') {
    const parts = padded.map(({ axis, before }) => ({ axis, begin: before, end: before + shape[axis] }));
    return [cut(context, gradient, parts)];
  }
  return [
    padded.reduce((inner, { axis, before, after }) => {
      const extent = shape[axis];
      const places = Array.from({ length: before + extent + after }, (_, place) =>
        paddedPlace(mode, place - before, extent),
      );
      return scatterAlong(context, inner, { axis, places, extent, rank: shape.length });
    }, gradient),
  ];
};

/** The place whose value stands at a place of the padding, or at the place itself. */
function paddedPlace(mode: string, place: number, extent: number): number {
  if (mode === 'edge') return Math.min(extent - 1, Math.max(0, place));
  if (mode === 'wrap') return ((place % extent) + extent) % extent;
  const period = Math.max(1, 2 * (extent - 1));
  const within = ((place % period) + period) % period;
  return within < extent ? within : period - within;
}

const depthToSpace: GradientRule = ({ graph }, node, gradient) => {
  if (stringAttribute(node, 'mode', 'DCR') !== 'DCR') return refuseForm(node, 'its mode is not DCR');
  return [graph.op('SpaceToDepth', [gradient], { blocksize: intAttribute(node, 'blocksize', 1) })];
};

const spaceToDepth: GradientRule = ({ graph }, node, gradient) => [
  graph.op('DepthToSpace', [gradient], { blocksize: intAttribute(node, 'blocksize', 1) }),
];

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
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
