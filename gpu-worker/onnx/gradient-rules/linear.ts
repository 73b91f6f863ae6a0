// Gradients of matrix products and of batch normalisation at inference.
import { floatAttribute, intAttribute } from '../attributes.ts';
import { floatsOf } from '../constants.ts';
import {
  type GradientContext,
  type GradientRule,
  type GradientRules,
  refuseForm,
  unbroadcast,
} from './gradient-rule.ts';

const gemm: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf, isActive, isParameter } = context;
  const [input, weights, bias] = node.input;
  for (const [name, what] of [
    [weights, 'second matrix'],
    [bias, 'bias'],
  ]) {
    if (name !== undefined && isActive(name) && !isParameter(name))
      return refuseForm(node, `its ${what} depends on the input`);
  }
  if (intAttribute(node, 'transA', 0) !== 0) return refuseForm(node, 'its first matrix is transposed');
  const alpha = { float: floatAttribute(node, 'alpha', 1) };
  const transB = intAttribute(node, 'transB', 0);
  const byInput = () => graph.op('Gemm', [gradient, weights], { alpha, transB: 1 - transB });
  const byWeights = () =>
    graph.op('Gemm', transB === 1 ? [gradient, input] : [input, gradient], { alpha, transA: 1 });
  const byBias = () => {
    const sum = unbroadcast(context, gradient, { from: shapeOf(node.output[0]), to: bias });
    const beta = floatAttribute(node, 'beta', 1);
    return beta === 1 ? sum : graph.op('Mul', [sum, graph.floats([], [beta])]);
  };
  return [
    isActive(input) ? byInput() : undefined,
    isActive(weights) ? byWeights() : undefined,
    bias !== undefined && isActive(bias) ? byBias() : undefined,
  ];
};

const matMul: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf, isActive } = context;
  const [left, right] = node.input;
  if (shapeOf(left).length < 2 || shapeOf(right).length < 2)
    return refuseForm(node, 'an operand is a vector');
  const leading = (shape: readonly number[]) => shape.slice(0, -2);
  const from = shapeOf(node.output[0]);
  const byLeft = () => {
    const product = graph.op('MatMul', [gradient, transposed(context, right)]);
    return unbroadcast(context, product, { from: [...leading(from), ...shapeOf(left).slice(-2)], to: left });
  };
  const byRight = () => {
    const product = graph.op('MatMul', [transposed(context, left), gradient]);
    return unbroadcast(context, product, {
      from: [...leading(from), ...shapeOf(right).slice(-2)],
      to: right,
    });
  };
  return [isActive(left) ? byLeft() : undefined, isActive(right) ? byRight() : undefined];
};

/** Swaps the last two axes. */
function transposed({ graph, shapeOf }: GradientContext, tensor: string): string {
  const order = [...shapeOf(tensor).keys()];
  const [row, column] = order.slice(-2);
  return graph.op('Transpose', [tensor], { perm: [...order.slice(0, -2), column, row] });
}

const batchNormalization: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  if (intAttribute(node, 'training_mode', 0) !== 0) return refuseForm(node, 'it runs in training mode');
  const [scale, variance] = [node.input[1], node.input[4]].map((name) => graph.constant(name));
  if (scale === undefined || variance === undefined)
    return refuseForm(node, 'its parameters are not constant');
  const variances = floatsOf(variance);
  const epsilon = floatAttribute(node, 'epsilon', 1e-5);
  const factors = floatsOf(scale).map((value, channel) => value / Math.sqrt(variances[channel] + epsilon));
  const ones = shapeOf(node.input[0])
    .slice(2)
    .map(() => 1);
  return [graph.op('Mul', [gradient, graph.floats([1, factors.length, ...ones], factors)])];
};

export const linearRules: GradientRules = {
  Gemm: gemm,
  MatMul: matMul,
  BatchNormalization: batchNormalization,
};
