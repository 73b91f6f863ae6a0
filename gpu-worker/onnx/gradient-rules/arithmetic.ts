// Gradients of arithmetic, with NumPy broadcasting where operators have it.
import { intAttribute } from '../attributes.ts';
import { floatsOf } from '../constants.ts';
import type { GraphBuilder } from '../graph.ts';
import { elementTypes, type NodeProto } from '../schema/messages.ts';
import {
  broadcasting,
  type GradientContext,
  type GradientRule,
  type GradientRules,
  refuseForm,
  scalar,
  slope,
} from './gradient-rule.ts';

/** x^e: e x^(e-1) by the base, x^e ln(x) by the exponent. */
const pow = broadcasting(({ graph }, node, { index, gradient }) => {
  const [base, exponent] = node.input;
  if (index === 1) {
    const product = graph.op('Mul', [node.output[0], graph.op('Log', [base])]);
    return graph.op('Mul', [gradient, product]);
  }
  const constant = graph.constant(exponent);
  const values = constant?.dataType === elementTypes.float ? floatsOf(constant) : [];
  if (values.length === 1) {
    const power = values[0] === 2 ? base : graph.op('Pow', [base, scalar(graph, values[0] - 1)]);
    return graph.op('Mul', [gradient, graph.op('Mul', [scalar(graph, values[0]), power])]);
  }
  const exponents = graph.op('Cast', [exponent], { to: elementTypes.float });
  const power = graph.op('Pow', [base, graph.op('Sub', [exponents, scalar(graph, 1)])]);
  return graph.op('Mul', [gradient, graph.op('Mul', [exponents, power])]);
});

/** The operands that are the largest, or the smallest, share the gradient. */
const extreme = broadcasting(({ graph }, node, { index, gradient }) => {
  const isIt = (operand: string) =>
    graph.op('Cast', [graph.op('Equal', [operand, node.output[0]])], { to: elementTypes.float });
  const count = node.input.map(isIt).reduce((left, right) => graph.op('Add', [left, right]));
  return graph.op('Mul', [gradient, graph.op('Div', [isIt(node.input[index]), count])]);
});

const where: GradientRule = (context, node, gradient) => {
  const [condition] = node.input;
  return broadcasting(({ graph }, _node, { index }) => {
    const zero = scalar(graph, 0);
    return graph.op('Where', index === 1 ? [condition, gradient, zero] : [condition, zero, gradient]);
  })(context, node, gradient);
};

const cast: GradientRule = (_context, node, gradient) =>
  intAttribute(node, 'to', 0) === elementTypes.float ? [gradient] : refuseForm(node, 'it changes the type');

/** A function of steps is flat wherever it has a slope. */
const flat: GradientRule = () => [];

const timesSelf = (graph: GraphBuilder, x: string) => graph.op('Mul', [x, x]);
const onePlusSquare = (graph: GraphBuilder, x: string) =>
  graph.op('Add', [timesSelf(graph, x), scalar(graph, 1)]);
const oneMinusSquare = (graph: GraphBuilder, x: string) =>
  graph.op('Sub', [scalar(graph, 1), timesSelf(graph, x)]);
const inverse = (graph: GraphBuilder, x: string) => graph.op('Reciprocal', [x]);
const inverseRoot = (graph: GraphBuilder, x: string) => inverse(graph, graph.op('Sqrt', [x]));

/** Slopes of functions of one number. */
const trigonometric: GradientRules = {
  Sin: slope((graph, { input: [x] }) => graph.op('Cos', [x])),
  Cos: slope((graph, { input: [x] }) => graph.op('Neg', [graph.op('Sin', [x])])),
  Tan: slope((graph, { output: [y] }) => onePlusSquare(graph, y)),
  Asin: slope((graph, { input: [x] }) => inverseRoot(graph, oneMinusSquare(graph, x))),
  Acos: slope((graph, { input: [x] }) => graph.op('Neg', [inverseRoot(graph, oneMinusSquare(graph, x))])),
  Atan: slope((graph, { input: [x] }) => inverse(graph, onePlusSquare(graph, x))),
  Sinh: slope((graph, { input: [x] }) => graph.op('Cosh', [x])),
  Cosh: slope((graph, { input: [x] }) => graph.op('Sinh', [x])),
  Asinh: slope((graph, { input: [x] }) => inverseRoot(graph, onePlusSquare(graph, x))),
  Atanh: slope((graph, { input: [x] }) => inverse(graph, oneMinusSquare(graph, x))),
  Acosh: slope((graph, { input: [x] }) =>
    inverseRoot(graph, graph.op('Sub', [timesSelf(graph, x), scalar(graph, 1)])),
  ),
};

function negated({ graph }: GradientContext, _node: NodeProto, gradient: string): string[] {
  return [graph.op('Neg', [gradient])];
}

export const arithmeticRules: GradientRules = {
  ...trigonometric,
  Identity: (_context, _node, gradient) => [gradient],
  Cast: cast,
  CastLike: (_context, _node, gradient) => [gradient],
  // In training mode it is refused before.
  Dropout: (_context, _node, gradient) => [gradient],
  Add: broadcasting((_context, _node, { gradient }) => gradient),
  Sum: broadcasting((_context, _node, { gradient }) => gradient),
  Mean: broadcasting(({ graph }, node, { gradient }) =>
    graph.op('Mul', [gradient, scalar(graph, 1 / node.input.length)]),
  ),
  Max: extreme,
  Min: extreme,
  Where: where,
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
  Neg: negated,
  Abs: slope((graph, { input: [x] }) => graph.op('Sign', [x])),
  Exp: slope((_graph, { output: [y] }) => y),
  Log: ({ graph }, { input: [x] }, gradient) => [graph.op('Div', [gradient, x])],
  Sqrt: ({ graph }, { output: [y] }, gradient) => [graph.op('Div', [gradient, graph.op('Add', [y, y])])],
  Reciprocal: slope((graph, { output: [y] }) => graph.op('Neg', [timesSelf(graph, y)])),
  Erf: slope((graph, { input: [x] }) => {
    const exponential = graph.op('Exp', [graph.op('Neg', [timesSelf(graph, x)])]);
    return graph.op('Mul', [exponential, scalar(graph, 2 / Math.sqrt(Math.PI))]);
  }),
  Sign: flat,
  Floor: flat,
  Ceil: flat,
  Round: flat,
};
