// Gradients of activation functions, element by element or along one axis.
import { floatAttribute, intAttribute } from '../attributes.ts';
import type { GraphBuilder } from '../graph.ts';
import { reduce } from '../reduce.ts';
import { elementTypes, type NodeProto } from '../schema/messages.ts';
import { frontAxis, type GradientRule, type GradientRules } from './gradient-rule.ts';

/** A rule whose gradient is the incoming one times a slope. */
function slope(slopeOf: (graph: GraphBuilder, node: NodeProto) => string): GradientRule {
  return ({ graph }, node, gradient) => [graph.op('Mul', [gradient, slopeOf(graph, node)])];
}

const scalar = (graph: GraphBuilder, value: number) => graph.floats([], [value]);

/** Sign of the output would say the same, in twice the time on processors. */
function reluSlope(graph: GraphBuilder, node: NodeProto): string {
  const positive = graph.op('Greater', [node.output[0], scalar(graph, 0)]);
  return graph.op('Cast', [positive], { to: elementTypes.float });
}

function leakySlope(graph: GraphBuilder, node: NodeProto): string {
  const positive = graph.op('Greater', [node.input[0], scalar(graph, 0)]);
  return graph.op('Where', [positive, scalar(graph, 1), scalar(graph, floatAttribute(node, 'alpha', 0.01))]);
}

function eluSlope(graph: GraphBuilder, node: NodeProto): string {
  const positive = graph.op('Greater', [node.input[0], scalar(graph, 0)]);
  // alpha exp(x) is what the function gives, plus alpha.
  const below = graph.op('Add', [node.output[0], scalar(graph, floatAttribute(node, 'alpha', 1))]);
  return graph.op('Where', [positive, scalar(graph, 1), below]);
}

/** 1 inside the bounds and on them, 0 outside. */
function clipSlope(graph: GraphBuilder, node: NodeProto): string {
  const kept = graph.op('Equal', [node.input[0], node.output[0]]);
  return graph.op('Cast', [kept], { to: elementTypes.float });
}

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
  Elu: slope(eluSlope),
  Clip: slope(clipSlope),
  Softplus: slope((graph, node) => graph.op('Sigmoid', [node.input[0]])),
  Sigmoid: slope((graph, { output: [y] }) => graph.op('Mul', [y, graph.op('Sub', [scalar(graph, 1), y])])),
  Tanh: slope((graph, { output: [y] }) => graph.op('Sub', [scalar(graph, 1), graph.op('Mul', [y, y])])),
  Softmax: softmax,
  LogSoftmax: logSoftmax,
};
