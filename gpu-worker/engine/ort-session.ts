// A session of ONNX Runtime as a model of a thread, whichever of the runtime's two packages it came from.
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Datatype, Tensor, TensorData } from '../../shared/maths/tensor.ts';
import type { TensorSpec } from './engine.ts';
import type { RuntimeModel } from './thread-runtime.ts';

/** Element types of the runtime that the protocol can carry; a model with any other is refused by name. */
const datatypes: Readonly<Partial<Record<OrtTensor.Type, Datatype>>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float32: 'FP32',
  float64: 'FP64',
};
const elementTypes = Object.fromEntries(
  Object.entries(datatypes).map(([type, datatype]) => [datatype, type]),
) as Readonly<Record<Datatype, OrtTensor.Type>>;

/** The tensor class of the package that the session came from. */
type TensorClass = new (
  type: OrtTensor.Type,
  data: OrtTensor.DataType,
  shape: readonly number[],
) => OrtTensor;

/**
 * Wraps a session.
 * @throws Error that names the input or output whose elements cannot be served
 */
export function sessionModel(session: InferenceSession, OrtTensorClass: TensorClass): RuntimeModel {
  const specs = { inputs: session.inputMetadata.map(spec), outputs: session.outputMetadata.map(spec) };
  return {
    specs,
    async run(tensors, outputs) {
      const feeds = Object.fromEntries(
        Object.entries(tensors).map(([name, { datatype, shape, data }]) => [
          name,
          new OrtTensorClass(elementTypes[datatype], data as OrtTensor.DataType, shape),
        ]),
      );
      const results = await session.run(feeds, outputs ?? session.outputNames);
      return Object.fromEntries(
        Object.entries(results).map(([name, value]) => [name, toTensor(name, value)]),
      );
    },
    release: () => session.release(),
  };
}

function spec(value: InferenceSession.ValueMetadata): TensorSpec {
  if (!value.isTensor) throw new Error(`${value.name} is not a tensor`);
  const { name, type, shape } = value;
  return {
    name,
    datatype: datatypeOf(name, type),
    shape: shape.map((extent) => (typeof extent === 'number' ? extent : -1)),
  };
}

function toTensor(name: string, value: OrtTensor): Tensor {
  const { type, dims, data } = value;
  return { datatype: datatypeOf(name, type), shape: dims, data: data as TensorData };
}

function datatypeOf(name: string, type: OrtTensor.Type): Datatype {
  const datatype = datatypes[type];
  if (datatype === undefined) throw new Error(`${name} has elements of type ${type}, which cannot be served`);
  return datatype;
}
