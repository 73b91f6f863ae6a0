// What a gradient rule is given and gives back, and the few steps that rules of all families share.
import { GuardError } from '../../../shared/errors.ts';
import type { GraphBuilder } from '../graph.ts';
import { nodeLabel } from '../graph-order.ts';
import { reduce } from '../reduce.ts';
import type { NodeProto } from '../schema/messages.ts';

/** The graph under differentiation. */
export interface GradientContext {
  readonly graph: GraphBuilder;
  /** Shape of a tensor; an extent of -k is k a row of the batch. */
  readonly shapeOf: (tensor: string) => readonly number[];
  /** Whether a gradient flows on into the tensor. */
  readonly isActive: (tensor: string) => boolean;
  /** Whether the tensor is a parameter under training: an input of the graph that is the same for every row. */
  readonly isParameter: (tensor: string) => boolean;
}

/**
 * The rule of one operator: gradients by its inputs.
 * @param gradient name of the gradient by the node's first output, of that output's shape
 * @returns one name an input, of that input's shape; undefined for an input that is not active. Inputs at the end may
 *   be left out.
 */
export type GradientRule = (
  context: GradientContext,
  node: NodeProto,
  gradient: string,
) => readonly (string | undefined)[];

/** Rules by operator. */
export type GradientRules = Readonly<Record<string, GradientRule>>;

/**
 * The rule of an operator with several outputs that gradients come through.
 * @param gradients one an output; undefined for an output that nothing depends on
 */
export type OutputsRule = (
  context: GradientContext,
  node: NodeProto,
  gradients: readonly (string | undefined)[],
) => readonly (string | undefined)[];

/** A rule whose gradient is the incoming one times a slope. */
export function slope(slopeOf: (graph: GraphBuilder, node: NodeProto) => string): GradientRule {
  return ({ graph }, node, gradient) => [graph.op('Mul', [gradient, slopeOf(graph, node)])];
}

/** A float32 constant without dimensions. */
export function scalar(graph: GraphBuilder, value: number): string {
  return graph.floats([], [value]);
}

/** A rule of a broadcasting operator: the gradient by an operand before it is summed to the operand's shape. */
export function broadcasting(
  byOperand: (context: GradientContext, node: NodeProto, at: { index: number; gradient: string }) => string,
): GradientRule {
  return (context, node, gradient) =>
    node.input.map((operand, index) => {
      if (!context.isActive(operand)) return undefined;
      const from = context.shapeOf(node.output[0]);
      return unbroadcast(context, byOperand(context, node, { index, gradient }), { from, to: operand });
    });
}

/** Refuses a form of an operator that its rule does not cover. */
export function refuseForm(node: NodeProto, why: string): never {
  throw new GuardError('unsupported_operator', `no gradient through ${nodeLabel(node)}: ${why}`);
}

/** Sums a gradient over the dimensions along which an operand was broadcast, to the operand's shape. */
export function unbroadcast(
  { graph, shapeOf }: GradientContext,
  gradient: string,
  { from, to }: { from: readonly number[]; to: string },
): string {
  const shape = shapeOf(to);
  const leading = from.length - shape.length;
  const stretched = [...shape.keys()].filter((axis) => shape[axis] === 1 && from[axis + leading] !== 1);
  let sum = gradient;
  if (leading > 0) sum = reduce(graph, 'Sum', sum, { axes: [...Array(leading).keys()], keep: false });
  return stretched.length === 0 ? sum : reduce(graph, 'Sum', sum, { axes: stretched, keep: true });
}

/** Gives a tensor the shape of another one with as many elements. */
export function reshapeLike({ graph, shapeOf }: GradientContext, tensor: string, like: string): string {
  const shape = shapeOf(like);
  // One extent is left to the runtime; several free ones only the tensor itself knows.
  const target =
    shape.filter((extent) => extent < 0).length > 1
      ? graph.op('Shape', [like])
      : graph.ints(shape.map((extent) => Math.max(extent, -1)));
  return graph.op('Reshape', [tensor, target]);
}

/** Stretches extents of 1 to the shape of another tensor; the batch is taken as it is. */
export function expandLike({ graph, shapeOf }: GradientContext, tensor: string, like: string): string {
  return graph.op('Expand', [tensor, graph.ints(shapeOf(like).map((extent) => Math.max(extent, 1)))]);
}

/** An axis counted from the front. */
export function frontAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
