// Gradients of normalisations at inference: over a batch's kept statistics, or over an input's own.
import { elementCount } from '../../../shared/maths/tensor.ts';
import { floatAttribute, intAttribute } from '../attributes.ts';
import { floatsOf } from '../constants.ts';
import { reduce } from '../reduce.ts';
import {
  frontAxis,
  type GradientContext,
  type GradientRule,
  type GradientRules,
  refuseForm,
  reshapeLike,
  scalar,
  unbroadcast,
} from './gradient-rule.ts';

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

/** A tensor with mean 0 and variance 1 over some axes, and what it was divided by. */
interface Standardised {
  readonly values: string;
  readonly deviation: string;
  readonly axes: readonly number[];
}

function standardise(
  { graph }: GradientContext,
  tensor: string,
  { axes, epsilon }: { axes: readonly number[]; epsilon: number },
): Standardised {
  const mean = (of: string) => reduce(graph, 'Mean', of, { axes, keep: true });
  const centred = graph.op('Sub', [tensor, mean(tensor)]);
  const variance = mean(graph.op('Mul', [centred, centred]));
  const deviation = graph.op('Sqrt', [graph.op('Add', [variance, scalar(graph, epsilon)])]);
  return { values: graph.op('Div', [centred, deviation]), deviation, axes };
}

/** From the gradient by standardised values to the one by the tensor: what moves mean or variance is taken out. */
function throughStandardised(
  { graph }: GradientContext,
  gradient: string,
  { values, deviation, axes }: Standardised,
): string {
  const mean = (of: string) => reduce(graph, 'Mean', of, { axes, keep: true });
  const shared = mean(graph.op('Mul', [gradient, values]));
  const centred = graph.op('Sub', [gradient, mean(gradient)]);
  const left = graph.op('Sub', [centred, graph.op('Mul', [values, shared])]);
  return graph.op('Div', [left, deviation]);
}

/** @see Ba, Kiros and Hinton 2016 */
const layerNormalization: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf, isActive } = context;
  const [x, scale, bias = ''] = node.input;
  const shape = shapeOf(x);
  const first = frontAxis(intAttribute(node, 'axis', -1), shape.length);
  if (first === 0) return refuseForm(node, 'it normalises over the batch');
  const axes = [...shape.keys()].slice(first);
  const standardised = standardise(context, x, { axes, epsilon: floatAttribute(node, 'epsilon', 1e-5) });
  const byScale = () => {
    const product = graph.op('Mul', [gradient, standardised.values]);
    return unbroadcast(context, product, { from: shape, to: scale });
  };
  return [
    isActive(x) ? throughStandardised(context, graph.op('Mul', [gradient, scale]), standardised) : undefined,
    isActive(scale) ? byScale() : undefined,
    isActive(bias) ? unbroadcast(context, gradient, { from: shape, to: bias }) : undefined,
  ];
};

/** Each channel of each input by itself. @see Ulyanov, Vedaldi and Lempitsky 2016 */
const instanceNormalization: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf } = context;
  const [x, scale] = node.input;
  const [, channels, ...extents] = shapeOf(x);
  const axes = extents.map((_, axis) => axis + 2);
  const standardised = standardise(context, x, { axes, epsilon: floatAttribute(node, 'epsilon', 1e-5) });
  const scales = graph.op('Reshape', [scale, graph.ints([1, channels, ...extents.map(() => 1)])]);
  return [throughStandardised(context, graph.op('Mul', [gradient, scales]), standardised)];
};

/** Groups of channels of each input. @see Wu and He 2018 */
const groupNormalization: GradientRule = (context, node, gradient) => {
  const { graph, shapeOf } = context;
  const [x, scale] = node.input;
  const [, channels, ...extents] = shapeOf(x);
  if (extents.some((extent) => extent < 1)) return refuseForm(node, 'its extents are free');
  const groups = intAttribute(node, 'num_groups', 1);
  const grouped = (tensor: string, rows: number) =>
    graph.op('Reshape', [tensor, graph.ints([rows, groups, channels / groups, elementCount(extents)])]);
  // Until operator set 20 there is one scale a group, from 21 on one a channel.
  const [scales] = shapeOf(scale);
  const shaped = graph.op('Reshape', [scale, graph.ints([1, groups, scales / groups, 1])]);
  const epsilon = floatAttribute(node, 'epsilon', 1e-5);
  const standardised = standardise(context, grouped(x, -1), { axes: [2, 3], epsilon });
  const scaled = graph.op('Mul', [grouped(gradient, -1), shaped]);
  return [reshapeLike(context, throughStandardised(context, scaled, standardised), x)];
};

/** x over its l1 or l2 norm along an axis. */
const lpNormalization: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  const { input, output } = node;
  const axes = [frontAxis(intAttribute(node, 'axis', -1), shapeOf(input[0]).length)];
  if (axes[0] === 0) return refuseForm(node, 'it normalises over the batch');
  const sum = (of: string) => reduce(graph, 'Sum', of, { axes, keep: true });
  const isL1 = intAttribute(node, 'p', 2) === 1;
  const norm = isL1
    ? sum(graph.op('Abs', [input[0]]))
    : graph.op('Sqrt', [sum(graph.op('Mul', [input[0], input[0]]))]);
  const along = sum(graph.op('Mul', [gradient, output[0]]));
  const direction = isL1 ? graph.op('Sign', [input[0]]) : output[0];
  const left = graph.op('Sub', [gradient, graph.op('Mul', [direction, along])]);
  return [graph.op('Div', [left, norm])];
};

/**
 * x s^-beta with s the bias and a mean of squares over neighbouring channels, which a 1 x 1 convolution sums.
 * @see Krizhevsky, Sutskever and Hinton 2012, section 3.3
 */
const localResponse: GradientRule = ({ graph, shapeOf }, node, gradient) => {
  const [x] = node.input;
  const [, channels, ...extents] = shapeOf(x);
  const size = intAttribute(node, 'size', 1);
  const beta = floatAttribute(node, 'beta', 0.75);
  const share = floatAttribute(node, 'alpha', 1e-4) / size;
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const neighbours = (of: string, [back, on]: [number, number], factor: number) => {
    const weights = new Float32Array(channels * channels);
    for (let channel = 0; channel < channels; channel++) {
      const last = Math.min(channels - 1, channel + on);
      for (let other = Math.max(0, channel - back); other <= last; other++)
        weights[channel * channels + other] = factor;
    }
    const ones = extents.map(() => 1);
    return graph.op('Conv', [of, graph.floats([channels, channels, ...ones], weights)]);
  };
  const squares = neighbours(graph.op('Mul', [x, x]), [before, after], share);
  const sums = graph.op('Add', [squares, scalar(graph, floatAttribute(node, 'bias', 1))]);
  const power = (exponent: number) => graph.op('Pow', [sums, scalar(graph, exponent)]);
  const own = graph.op('Mul', [gradient, power(-beta)]);
  const through = graph.op('Mul', [graph.op('Mul', [gradient, x]), power(-beta - 1)]);
  // A channel is behind those that it is in front of.
  const back = neighbours(through, [after, before], 2 * share * beta);
  return [graph.op('Sub', [own, graph.op('Mul', [x, back])])];
};

export const normalisationRules: GradientRules = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LpNormalization: lpNormalization,
  LRN: localResponse,
};
