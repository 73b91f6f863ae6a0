// What the rewriting of models knows of each operator, as a table: read off the registries that the code itself uses.
import { batchRules } from './dynamic-batch.ts';
import {
  gradientRules,
  outputsRules,
  parameterInputs,
  withoutGradient,
} from './gradient-rules/rule-registry.ts';
import { activationOperators } from './layer-tensors.ts';
import { opsetRange } from './opset.ts';
import { refusedOperators } from './refused-operators.ts';

/** Operators of ONNX's own sets 7 to 22, by what they give. */
const standardOperators = {
  floats: `Abs Acos Acosh Add AffineGrid Asin Asinh Atan Atanh AveragePool BatchNormalization Bernoulli BlackmanWindow Cast
    CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum
    DFT DeformConv DepthToSpace DequantizeLinear Det Div Dropout Einsum Elu Erf Exp Expand EyeLike Flatten Floor GRU Gather
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool GridSample GroupNormalization
    HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If InstanceNormalization LRN LSTM LayerNormalization
    LeakyRelu Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool MaxRoiPool MaxUnpool Mean
    MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Neg NegativeLogLikelihoodLoss OneHot PRelu Pad Pow RNN
    RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence
    RoiAlign Round STFT Scan ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Slice Softmax
    SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh TfIdfVectorizer
    ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where`,
  others: `And ArgMax ArgMin BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor ConcatFromSequence ConvInteger
    DynamicQuantizeLinear Equal Greater GreaterOrEqual ImageDecoder IsInf IsNaN Less LessOrEqual MatMulInteger Multinomial
    NonMaxSuppression NonZero Not Optional OptionalGetElement OptionalHasElement Or QLinearConv QLinearMatMul QuantizeLinear
    RegexFullMatch SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap Shape
    Size SplitToSequence StringConcat StringNormalizer StringSplit Xor`,
};

/** What is known of one operator. */
export interface OperatorRow {
  readonly operator: string;
  /** How the batch is freed through it: by a rule of its own, or it follows its operands and the probe checks that. */
  readonly batch: 'rule' | 'follows' | 'refused';
  /** Whether what it gives is a layer that is tapped unasked, can be tapped by its name, or has no float32. */
  readonly tap: 'layer' | 'named' | 'no';
  readonly byInput: boolean;
  readonly byParameters: boolean;
  /** Why it is refused, or has no gradient. */
  readonly reason: string;
}

/** One row an operator, in the order of the alphabet. */
export function operatorRows(): OperatorRow[] {
  const [floats, others] = [standardOperators.floats, standardOperators.others].map((names) =>
    names.split(/\s+/),
  );
  const known = [gradientRules, outputsRules, parameterInputs, withoutGradient, refusedOperators, batchRules];
  const integers = new Set(others);
  const names = new Set([...floats, ...others, ...activationOperators, ...known.flatMap(Object.keys)]);
  return [...names].toSorted().map((operator) => rowOf(operator, !integers.has(operator)));
}

function rowOf(operator: string, givesFloats: boolean): OperatorRow {
  const refusal = own(refusedOperators, operator);
  const byInput = Object.hasOwn(gradientRules, operator) || Object.hasOwn(outputsRules, operator);
  const missing = givesFloats
    ? 'there is no rule'
    : 'what it gives are whole numbers, conditions, texts or lists';
  const tap = activationOperators.has(operator) ? 'layer' : 'named';
  return {
    operator,
    batch: refusal !== undefined ? 'refused' : Object.hasOwn(batchRules, operator) ? 'rule' : 'follows',
    tap: givesFloats && refusal === undefined ? tap : 'no',
    byInput: byInput && refusal === undefined,
    byParameters: Object.hasOwn(parameterInputs, operator),
    reason: refusal ?? (byInput ? '' : (own(withoutGradient, operator) ?? missing)),
  };
}

function own(reasons: Readonly<Record<string, string>>, operator: string): string | undefined {
  return Object.hasOwn(reasons, operator) ? reasons[operator] : undefined;
}

/** The table as a page of Markdown. */
export function operatorPage(): string {
  const { lowest, highest } = opsetRange;
  const rows = operatorRows();
  const count = (of: (row: OperatorRow) => boolean) => rows.filter(of).length;
  const lines = rows.map(({ operator, batch, tap, byInput, byParameters, reason }) => {
    const cells = [operator, batch, tap, byInput ? 'yes' : 'no', byParameters ? 'yes' : 'no', reason];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '# Operators',
    '',
    `Written by \`nccr-guard model operators --write docs/operators.md\` from the registries in \`gpu-worker/onnx\`: ONNX operator`,
    `sets ${lowest} to ${highest}. Of ${rows.length} operators ${count(({ byInput }) => byInput)} have a gradient by their input, ${count(({ byParameters }) => byParameters)} one by parameters under training, and`,
    `${count(({ batch }) => batch === 'refused')} are refused. An operator without a gradient still compiles and guards; attacks by gradient refuse it by its node's name.`,
    '',
    '- Batch: `rule` where a fixed batch of one is taken out of the operator itself; `follows` where it follows from its',
    '  operands. Either way the shape probe runs the model at batches of 2 and 3 and refuses it where rows are not independent.',
    '- Tap: `layer` where its output is taken for a layer unasked, `named` where it can be tapped by its name, `no` where it has',
    '  no float32.',
    '- Forms that a rule does not cover, such as a pool that counts by columns, are refused by the node with the reason.',
    '- Operators of other domains run where ONNX Runtime has them; they have no gradient.',
    '',
    '| Operator | Batch | Tap | Gradient by input | Gradient by parameters | Why not |',
    '|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}
