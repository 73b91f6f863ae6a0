// Inputs of a model as NumPy arrays hold them: float32, uint8 or samples of int16, channels first or last.
import { assertShape } from '../../shared/assert.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount, type Tensor } from '../../shared/maths/tensor.ts';

/** Where the channels stand: after the rows' batch (PyTorch, ONNX) or last (TensorFlow, image files). */
export const layouts = ['nchw', 'nhwc'] as const;
export type Layout = (typeof layouts)[number];

/** Inputs as a model reads them. */
export interface ModelInputs {
  /** Row-major [rows, ...inputShape]. */
  readonly inputs: Float32Array;
  readonly inputShape: readonly number[];
}

/**
 * Turns an array into inputs of a model: uint8 scaled to [0, 1], int16 to [-1, 1] as a WAV file is read, float32 as it is,
 * channels first.
 * @param array [rows, ...]; with `nhwc` [rows, height, width, channels]
 * @param name what to call it in errors
 * @throws GuardError `invalid_dataset` where it is of another type, has no rows, no layout of that kind or a value that
 *   is not finite
 */
export function inputsOfArray(
  { datatype, shape, data }: Tensor,
  { name, layout }: { name: string; layout: Layout },
): ModelInputs {
  if (datatype !== 'UINT8' && datatype !== 'INT16' && datatype !== 'FP32') {
    throw invalid(`${name} holds ${datatype}; inputs are UINT8 (0 to 255), INT16 (samples) or FP32`);
  }
  if (shape.length < 2 || elementCount(shape) === 0) {
    throw invalid(`${name} has shape [${shape.join(', ')}]: there are no rows of inputs`);
  }
  const [rows, ...rowShape] = shape;
  const values = new Float32Array(data as Uint8Array | Int16Array | Float32Array);
  // In place, and not `from` with a function, which makes a list of all elements first.
  const scale = { UINT8: 255, INT16: 2 ** 15, FP32: 1 }[datatype];
  if (scale !== 1) for (let index = 0; index < values.length; index++) values[index] /= scale;
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const row = Math.floor(wrong / elementCount(rowShape));
    throw invalid(`${name} has the value ${values[wrong]} in row ${row}: every value must be finite`);
  }
  if (layout === 'nchw') return { inputs: values, inputShape: rowShape };
  if (rowShape.length !== 3) {
    throw invalid(`${name} has shape [${shape.join(', ')}], NHWC has four dimensions`);
  }
  const [height, width, channels] = rowShape;
  return {
    inputs: transposeRows(values, { rows, outer: height * width, inner: channels }),
    inputShape: [channels, height, width],
  };
}

/**
 * The reverse of `inputsOfArray`.
 * @param datatype `UINT8` for inputs in [0, 1], rounded to the nearest of 255 steps: an adversarial example may lose its
 *   effect by that
 * @throws GuardError `invalid_dataset` where the inputs have no layout of that kind
 */
export function arrayOfInputs(
  { inputs, inputShape }: ModelInputs,
  { layout, datatype }: { layout: Layout; datatype: 'FP32' | 'UINT8' },
): Tensor {
  const rows = inputs.length / elementCount(inputShape);
  assertShape(inputs, [rows, ...inputShape], 'inputs');
  let [values, shape] = [inputs, [rows, ...inputShape]];
  if (layout === 'nhwc') {
    if (inputShape.length !== 3) {
      throw invalid(`inputs of shape [${inputShape.join(', ')}] have no channels to put last`);
    }
    const [channels, height, width] = inputShape;
    values = transposeRows(inputs, { rows, outer: channels, inner: height * width });
    shape = [rows, height, width, channels];
  }
  if (datatype === 'FP32') return { datatype, shape, data: values };
  const rounded = new Uint8ClampedArray(values.length);
  for (let index = 0; index < values.length; index++) rounded[index] = 255 * values[index];
  return { datatype, shape, data: new Uint8Array(rounded.buffer) };
}

/** Swaps the two axes of every row [outer, inner]. */
function transposeRows(
  values: Float32Array,
  { rows, outer, inner }: { rows: number; outer: number; inner: number },
): Float32Array<ArrayBuffer> {
  const swapped = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const base = row * outer * inner;
    for (let first = 0; first < outer; first++) {
      for (let second = 0; second < inner; second++) {
        swapped[base + second * outer + first] = values[base + first * inner + second];
      }
    }
  }
  return swapped;
}

function invalid(detail: string): GuardError {
  return new GuardError('invalid_dataset', detail);
}
