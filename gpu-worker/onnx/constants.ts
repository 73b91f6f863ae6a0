// Constant tensors of ONNX graphs: made from numbers, read back as numbers.
import { create } from '@bufbuild/protobuf';
import { assertShape } from '../../shared/assert.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementTypes, type TensorProto, TensorProtoSchema } from './schema/messages.ts';

/** Makes a float32 constant. */
export function floatTensor(name: string, shape: readonly number[], values: ArrayLike<number>): TensorProto {
  assertShape(values, shape, name);
  const elements = Float32Array.from(values);
  return create(TensorProtoSchema, {
    name,
    dims: shape.map(BigInt),
    dataType: elementTypes.float,
    rawData: new Uint8Array(elements.buffer),
  });
}

/** Makes an int64 constant. */
export function intTensor(name: string, shape: readonly number[], values: readonly number[]): TensorProto {
  assertShape(values, shape, name);
  const elements = BigInt64Array.from(values, BigInt);
  return create(TensorProtoSchema, {
    name,
    dims: shape.map(BigInt),
    dataType: elementTypes.int64,
    rawData: new Uint8Array(elements.buffer),
  });
}

/**
 * Elements of a float32 constant.
 * @throws GuardError `unsupported_operator` where it has another element type, `invalid_model` where its bytes are no whole elements
 */
export function floatsOf(tensor: TensorProto): Float32Array {
  if (tensor.dataType !== elementTypes.float) {
    throw new GuardError('unsupported_operator', `constant ${tensor.name} is not float32`);
  }
  return tensor.rawData.length > 0
    ? new Float32Array(wholeElements(tensor, Float32Array.BYTES_PER_ELEMENT))
    : Float32Array.from(tensor.floatData);
}

/**
 * Elements of an int64 or int32 constant.
 * @throws GuardError `unsupported_operator` where it has another element type, `invalid_model` where its bytes are no whole elements
 */
export function intsOf(tensor: TensorProto): number[] {
  const { rawData } = tensor;
  if (tensor.dataType === elementTypes.int64) {
    return rawData.length > 0
      ? Array.from(new BigInt64Array(wholeElements(tensor, BigInt64Array.BYTES_PER_ELEMENT)), Number)
      : tensor.int64Data.map(Number);
  }
  if (tensor.dataType === elementTypes.int32) {
    return rawData.length > 0
      ? [...new Int32Array(wholeElements(tensor, Int32Array.BYTES_PER_ELEMENT))]
      : [...tensor.int32Data];
  }
  throw new GuardError('unsupported_operator', `constant ${tensor.name} is not an integer one`);
}

/** Copied, since the file may hold the elements at any offset and a typed array needs an aligned one. */
function wholeElements({ name, rawData }: TensorProto, elementBytes: number): ArrayBuffer {
  if (rawData.length % elementBytes !== 0) {
    throw new GuardError(
      'invalid_model',
      `constant ${name} has ${rawData.length} bytes, no whole number of elements of ${elementBytes}`,
    );
  }
  return new Uint8Array(rawData).buffer;
}
