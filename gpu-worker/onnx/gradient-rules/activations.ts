// Gradients of activation functions, element by element or along one axis.
import { floatAttribute, intAttribute, stringAttribute } from '../attributes.ts';
import type { GraphBuilder } from '../graph.ts';
import { reduce } from '../reduce.ts';
import { elementTypes, type NodeProto } from '../schema/messages.ts';
import {
  frontAxis,
  type GradientRule,
  type GradientRules,
  scalar,
  slope,
  unbroadcast,
} from './gradient-rule.ts';

/** The scale and the alpha of Selu (Klambauer et al. 2017), as the operator's defaults have them. */
const seluDefaults = { alpha: 1.6732632, gamma: 1.0507009 };
/** Of the hyperbolic tangent that stands for the normal distribution in GELU (Hendrycks and Gimpel 2016). */
const geluTanh = { scale: Math.sqrt(2 / Math.PI), cube: 0.044715 };

/** Steep enough that a hard sigmoid is a step for all that a layer gives, and not so steep that large values overflow. */
const stepSteepness = 1e30;

/**
 * 1 where the output is above 0, by a hard sigmoid as steep as a step: one node, which ONNX Runtime runs in the layout of its
 * convolutions, where a comparison and a cast are two and leave that layout.
 */
function reluSlope(graph: GraphBuilder, node: NodeProto): string {
  const attributes = { alpha: { float: stepSteepness }, beta: { float: 0 } };
  return graph.op('HardSigmoid', [node.output[0]], attributes);
}

function leakySlope(graph: GraphBuilder, node: NodeProto): string {
  const positive = graph.op('Greater', [node.input[0], scalar(graph, 0)]);
  return graph.op('Where', [positive, scalar(graph, 1), scalar(graph, floatAttribute(node, 'alpha', 0.01))]);
}

/** Of units that are straight above 0 and alpha (exp(x) - 1) times their scale below: their output plus a constant. */
function exponentialSlope(
  graph: GraphBuilder,
  { input: [x], output: [y] }: NodeProto,
  { alpha, gamma }: { alpha: number; gamma: number },
): string {
  const positive = graph.op('Greater', [x, scalar(graph, 0)]);
  const below = graph.op('Add', [y, scalar(graph, alpha * gamma)]);
  return graph.op('Where', [positive, scalar(graph, gamma), below]);
}

function celuSlope(graph: GraphBuilder, node: NodeProto): string {
  const [x] = node.input;
  const positive = graph.op('Greater', [x, scalar(graph, 0)]);
  const scaled = graph.op('Div', [x, scalar(graph, floatAttribute(node, 'alpha', 1))]);
  return graph.op('Where', [positive, scalar(graph, 1), graph.op('Exp', [scaled])]);
}

/** 1 inside the bounds and on them, 0 outside. */
function clipSlope(graph: GraphBuilder, node: NodeProto): string {
  const kept = graph.op('Equal', [node.input[0], node.output[0]]);
  return graph.op('Cast', [kept], { to: elementTypes.float });
}

function geluSlope(graph: GraphBuilder, node: NodeProto): string {
  const [x] = node.input;
  const plus = (left: string, right: string) => graph.op('Add', [left, right]);
  const times = (left: string, right: string) => graph.op('Mul', [left, right]);
  const square = times(x, x);
  if (stringAttribute(node, 'approximate', 'none') === 'tanh') {
    const { scale, cube } = geluTanh;
    const inner = plus(scalar(graph, scale), times(square, scalar(graph, scale * cube)));
    const tanh = graph.op('Tanh', [times(x, inner)]);
    const half = plus(scalar(graph, 0.5), times(tanh, scalar(graph, 0.5)));
    const bend = graph.op('Sub', [scalar(graph, 0.5), times(scalar(graph, 0.5), times(tanh, tanh))]);
    const innerSlope = plus(scalar(graph, scale), times(square, scalar(graph, 3 * scale * cube)));
    return plus(half, times(x, times(bend, innerSlope)));
  }
  const erf = graph.op('Erf', [times(x, scalar(graph, Math.SQRT1_2))]);
  const distribution = plus(scalar(graph, 0.5), times(erf, scalar(graph, 0.5)));
  const exponential = graph.op('Exp', [times(square, scalar(graph, -0.5))]);
  const density = times(exponential, scalar(graph, 1 / Math.sqrt(2 * Math.PI)));
  return plus(distribution, times(x, density));
}

/** Of x tanh(softplus(x)) (Misra 2019). */
function mishSlope(graph: GraphBuilder, { input: [x] }: NodeProto): string {
  const tanh = graph.op('Tanh', [graph.op('Softplus', [x])]);
  const bend = graph.op('Sub', [scalar(graph, 1), graph.op('Mul', [tanh, tanh])]);
  const product = graph.op('Mul', [graph.op('Mul', [x, bend]), graph.op('Sigmoid', [x])]);
  return graph.op('Add', [tanh, product]);
}

/** alpha where the output is neither 0 nor 1. */
function hardSigmoidSlope(graph: GraphBuilder, node: NodeProto): string {
  return straightPart(graph, node.output[0], floatAttribute(node, 'alpha', 0.2));
}

/** Of x times its hard sigmoid. */
function hardSwishSlope(graph: GraphBuilder, { input: [x] }: NodeProto): string {
  const gate = graph.op('HardSigmoid', [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
  return graph.op('Add', [gate, graph.op('Mul', [x, straightPart(graph, gate, 1 / 6)])]);
}

function straightPart(graph: GraphBuilder, hardSigmoid: string, alpha: number): string {
  const room = graph.op('Mul', [hardSigmoid, graph.op('Sub', [scalar(graph, 1), hardSigmoid])]);
  return graph.op('Mul', [isAbove(graph, room, 0), scalar(graph, alpha)]);
}

function softsignSlope(graph: GraphBuilder, { input: [x] }: NodeProto): string {
  const size = graph.op('Add', [graph.op('Abs', [x]), scalar(graph, 1)]);
  return graph.op('Reciprocal', [graph.op('Mul', [size, size])]);
}

/** 1 where a tensor is above a bound, else 0. */
function isAbove(graph: GraphBuilder, tensor: string, bound: number): string {
  return graph.op('Cast', [graph.op('Greater', [tensor, scalar(graph, bound)])], { to: elementTypes.float });
}

/** x where it is above 0, else x times a slope that is a tensor of its own. */
const pRelu: GradientRule = (context, node, gradient) => {
  const { graph, isActive, shapeOf } = context;
  const [x, slopes] = node.input;
  const positive = graph.op('Greater', [x, scalar(graph, 0)]);
  const zero = scalar(graph, 0);
  const byInput = () => graph.op('Mul', [gradient, graph.op('Where', [positive, scalar(graph, 1), slopes])]);
  const bySlopes = () => {
    const below = graph.op('Where', [positive, zero, graph.op('Mul', [gradient, x])]);
    return unbroadcast(context, below, { from: shapeOf(x), to: slopes });
  };
  return [isActive(x) ? byInput() : undefined, isActive(slopes) ? bySlopes() : undefined];
};

const softmax: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  const output = node.output[0];
  const axis = frontAxis(intAttribute(node, 'axis', -1), shapeOf(output).length);
  const weighted = graph.op('Mul', [gradient, output]);
  const sum = reduce(graph, 'Sum', weighted, { axes: [axis], keep: true });
  return [graph.op('Sub', [weighted, graph.op('Mul', [output, sum])])];
};

const logSoftmax: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  const output = node.output[0];
  const axis = frontAxis(intAttribute(node, 'axis', -1), shapeOf(output).length);
  const sum = reduce(graph, 'Sum', gradient, { axes: [axis], keep: true });
  return [graph.op('Sub', [gradient, graph.op('Mul', [graph.op('Exp', [output]), sum])])];
};

export const activationRules: GradientRules = {
  Relu: slope(reluSlope),
  LeakyRelu: slope(leakySlope),
  PRelu: pRelu,
  ThresholdedRelu: slope((graph, node) => isAbove(graph, node.input[0], floatAttribute(node, 'alpha', 1))),
  Elu: slope((graph, node) =>
    exponentialSlope(graph, node, { alpha: floatAttribute(node, 'alpha', 1), gamma: 1 }),
  ),
  Selu: slope((graph, node) => {
    const alpha = floatAttribute(node, 'alpha', seluDefaults.alpha);
    return exponentialSlope(graph, node, { alpha, gamma: floatAttribute(node, 'gamma', seluDefaults.gamma) });
  }),
  Celu: slope(celuSlope),
  Clip: slope(clipSlope),
  Gelu: slope(geluSlope),
  Mish: slope(mishSlope),
  HardSigmoid: slope(hardSigmoidSlope),
  HardSwish: slope(hardSwishSlope),
  Softplus: slope((graph, node) => graph.op('Sigmoid', [node.input[0]])),
  Softsign: slope(softsignSlope),
  Sigmoid: slope((graph, { output: [y] }) => graph.op('Mul', [y, graph.op('Sub', [scalar(graph, 1), y])])),
  Tanh: slope((graph, { output: [y] }) => graph.op('Sub', [scalar(graph, 1), graph.op('Mul', [y, y])])),
  Softmax: softmax,
  LogSoftmax: logSoftmax,
};
