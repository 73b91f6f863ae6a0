// All gradient rules by operator, and where each of them takes a parameter under training.
import { activationRules } from './activations.ts';
import { arithmeticRules } from './arithmetic.ts';
import { convolutionRules } from './convolution.ts';
import type { GradientRules, OutputsRule } from './gradient-rule.ts';
import { linearRules } from './linear.ts';
import { normalisationRules } from './normalisation.ts';
import { poolingRules } from './pooling.ts';
import { reductionRules } from './reductions.ts';
import { selectionOutputsRules, selectionRules } from './selection.ts';
import { shapingRules } from './shaping.ts';

/** Rules of operators whose first output alone has a gradient. */
export const gradientRules: GradientRules = {
  ...activationRules,
  ...arithmeticRules,
  ...convolutionRules,
  ...linearRules,
  ...normalisationRules,
  ...poolingRules,
  ...reductionRules,
  ...selectionRules,
  ...shapingRules,
};

/** Rules of operators with several outputs that gradients come through. */
export const outputsRules: Readonly<Record<string, OutputsRule>> = selectionOutputsRules;

/** Inputs of an operator at which its rule also gives the gradient by a parameter: one value for all rows. */
export const parameterInputs: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  Add: [0, 1],
  Sub: [0, 1],
  Mul: [0, 1],
  Div: [0, 1],
  PRelu: [1],
  LayerNormalization: [1, 2],
};

const quantised = 'quantised values move in steps; attack the model that was not quantised';
const recurrent = 'recurrent layers are not differentiated';

/** Why some operators have no rule. */
export const withoutGradient: Readonly<Record<string, string>> = {
  QuantizeLinear: quantised,
  DequantizeLinear: quantised,
  QLinearConv: quantised,
  QLinearMatMul: quantised,
  ConvInteger: quantised,
  MatMulInteger: quantised,
  RNN: recurrent,
  LSTM: recurrent,
  GRU: recurrent,
};
