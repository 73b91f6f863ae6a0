// Gradients of matrix products.
import { floatAttribute, intAttribute, stringAttribute } from '../attributes.ts';
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

/**
 * Sums of products over named axes: by an operand, the same sum with that operand's letters as the result.
 * @throws GuardError `unsupported_operator` of an equation with an ellipsis, a letter twice in one operand, or one that an
 *   operand alone is summed over
 */
const einsum: GradientRule = (context, node, gradient) => {
  const { graph, isActive } = context;
  const equation = stringAttribute(node, 'equation', '').replaceAll(' ', '');
  const [left, result] = equation.split('->');
  const operands = left.split(',');
  if (result === undefined || equation.includes('.')) return refuseForm(node, 'its equation is not explicit');
  if ([...operands, result].some((letters) => new Set(letters).size !== letters.length))
    return refuseForm(node, 'it takes a diagonal');
  return operands.map((letters, index) => {
    if (!isActive(node.input[index])) return undefined;
    const others = operands.filter((_, other) => other !== index);
    const known = [result, ...others].join('');
    if (letters.split('').some((letter) => !known.includes(letter)))
      return refuseForm(node, 'it sums an operand by itself');
    const inputs = [gradient, ...node.input.filter((_, other) => other !== index)];
    return graph.op('Einsum', inputs, { equation: `${[result, ...others].join(',')}->${letters}` });
  });
};

export const linearRules: GradientRules = {
  Gemm: gemm,
  MatMul: matMul,
  Einsum: einsum,
};
