// The tensors of a model that its activation functions give: its layers, as one would name them.
import { loadModel } from './model-file.ts';

/** Operators that are activation functions; Clip is ReLU6. */
export const activationOperators: ReadonlySet<string> = new Set([
  'Relu',
  'LeakyRelu',
  'PRelu',
  'ThresholdedRelu',
  'Clip',
  'Elu',
  'Selu',
  'Celu',
  'Gelu',
  'Sigmoid',
  'HardSigmoid',
  'HardSwish',
  'Mish',
  'Softplus',
  'Softsign',
  'Tanh',
]);

/**
 * Names of the outputs of activation functions, in the order of the file.
 * @param most evenly spaced ones where there are more; the last is among them
 * @returns none where the model has no such operator
 * @throws GuardError `invalid_model` where it is not an ONNX file
 */
export function layerTensors(modelBytes: Uint8Array, most: number): string[] {
  const names = loadModel(modelBytes)
    .graph.node.filter(({ opType }) => activationOperators.has(opType))
    .map(({ output }) => output[0]);
  if (names.length <= most) return names;
  return Array.from(
    { length: most },
    (_, index) => names[Math.ceil(((index + 1) * names.length) / most) - 1],
  );
}
