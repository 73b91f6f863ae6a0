// Gradients of arithmetic, with NumPy broadcasting where operators have it.
import { intAttribute } from '../attributes.ts';
import { floatsOf } from '../constants.ts';
import { elementTypes, type NodeProto } from '../schema/messages.ts';
import {
  type GradientContext,
  type GradientRule,
  type GradientRules,
  refuseForm,
  unbroadcast,
} from './gradient-rule.ts';

/** A rule of a broadcasting operator: the gradient by an operand before it is summed to the operand's shape. */
function broadcasting(
  byOperand: (context: GradientContext, node: NodeProto, at: { index: number; gradient: string }) => string,
): GradientRule {
  return (context, node, gradient) =>
    node.input.map((operand, index) => {
      if (!context.isActive(operand)) return undefined;
      const from = context.shapeOf(node.output[0]);
      return unbroadcast(context, byOperand(context, node, { index, gradient }), { from, to: operand });
    });
}

const pow: GradientRule = (context, node, gradient) => {
  const { graph } = context;
  const [base, exponent] = node.input;
  const constant = graph.constant(exponent);
  const values = constant === undefined ? [] : floatsOf(constant);
  if (values.length !== 1) return refuseForm(node, 'the exponent is not one constant');
  const factor = graph.floats([], [values[0]]);
  const power = values[0] === 2 ? base : graph.op('Pow', [base, graph.floats([], [values[0] - 1])]);
  return [graph.op('Mul', [gradient, graph.op('Mul', [factor, power])])];
};

const cast: GradientRule = (_context, node, gradient) =>
  intAttribute(node, 'to', 0) === elementTypes.float ? [gradient] : refuseForm(node, 'it changes the type');

const dropout: GradientRule = (_context, node, gradient) =>
  (node.input[2] ?? '') === '' ? [gradient] : refuseForm(node, 'it may run in training mode');

export const arithmeticRules: GradientRules = {
  Identity: (_context, _node, gradient) => [gradient],
  Cast: cast,
  Dropout: dropout,
  Add: broadcasting((_context, _node, { gradient }) => gradient),
  Sum: broadcasting((_context, _node, { gradient }) => gradient),
  Sub: broadcasting(({ graph }, _node, { index, gradient }) =>
    index === 0 ? gradient : graph.op('Neg', [gradient]),
  ),
  Mul: broadcasting(({ graph }, node, { index, gradient }) =>
    graph.op('Mul', [gradient, node.input[1 - index]]),
  ),
  Div: broadcasting(({ graph }, { input: [, divisor], output: [quotient] }, { index, gradient }) => {
    const divided = graph.op('Div', [gradient, divisor]);
    return index === 0 ? divided : graph.op('Neg', [graph.op('Mul', [divided, quotient])]);
  }),
  Pow: pow,
  Neg: ({ graph }, _node, gradient) => [graph.op('Neg', [gradient])],
  Abs: ({ graph }, { input: [x] }, gradient) => [graph.op('Mul', [gradient, graph.op('Sign', [x])])],
  Exp: ({ graph }, { output: [y] }, gradient) => [graph.op('Mul', [gradient, y])],
  Log: ({ graph }, { input: [x] }, gradient) => [graph.op('Div', [gradient, x])],
  Sqrt: ({ graph }, { output: [y] }, gradient) => [graph.op('Div', [gradient, graph.op('Add', [y, y])])],
};
