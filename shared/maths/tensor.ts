// The tensor that travels between the wire, the engines and the mathematics.
import { assertShape } from '../assert.ts';

/** Element types of the Open Inference Protocol that have a fixed size here. */
export const elementArrays = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

/** A key of {@link elementArrays}. */
export type Datatype = keyof typeof elementArrays;

/** The typed array that holds elements of a datatype. */
export type TensorData =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** A dense, row-major tensor. */
export interface Tensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A tensor as a request or an answer names it. */
export interface NamedTensor extends Tensor {
  readonly name: string;
}

/** Number of elements that a shape holds; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Makes a float32 tensor over `data`, which is not copied. */
export function float32Tensor(data: Float32Array, shape: readonly number[]): Tensor {
  assertShape(data, shape, 'float32 tensor');
  return { datatype: 'FP32', shape, data };
}

/** Makes an int64 tensor from plain numbers. */
export function int64Tensor(values: ArrayLike<number>, shape: readonly number[]): Tensor {
  assertShape(values, shape, 'int64 tensor');
  return { datatype: 'INT64', shape, data: BigInt64Array.from(Array.from(values), BigInt) };
}

/** Puts arrays together in order. */
export function concatenateFloats(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
