// Types and schemas of the ONNX messages, for @bufbuild/protobuf's create, clone, fromBinary and toBinary.
import type { Message } from '@bufbuild/protobuf';
import { type GenMessage, messageDesc } from '@bufbuild/protobuf/codegenv2';
import { messageNames, onnxFile } from './descriptor.ts';

/** A whole file. */
export type ModelProto = Message<'onnx.ModelProto'> & {
  irVersion: bigint;
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: bigint;
  docString: string;
  graph?: GraphProto;
  opsetImport: OperatorSetIdProto[];
  metadataProps: StringStringEntryProto[];
};

/** Nodes in topological order, with their constants, inputs and outputs. */
export type GraphProto = Message<'onnx.GraphProto'> & {
  node: NodeProto[];
  name: string;
  initializer: TensorProto[];
  docString: string;
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo: ValueInfoProto[];
};

/** One operator. */
export type NodeProto = Message<'onnx.NodeProto'> & {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  attribute: AttributeProto[];
  docString: string;
  domain: string;
};

/** One attribute of an operator; `type` is one of `attributeTypes`. */
export type AttributeProto = Message<'onnx.AttributeProto'> & {
  name: string;
  f: number;
  i: bigint;
  s: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats: number[];
  ints: bigint[];
  strings: Uint8Array[];
  graphs: GraphProto[];
  docString: string;
  type: number;
};

/** One constant; `dataType` is one of `elementTypes`. */
export type TensorProto = Message<'onnx.TensorProto'> & {
  dims: bigint[];
  dataType: number;
  floatData: number[];
  int32Data: number[];
  int64Data: bigint[];
  name: string;
  rawData: Uint8Array;
  doubleData: number[];
  uint64Data: bigint[];
  docString: string;
  externalData: StringStringEntryProto[];
  dataLocation: number;
};

/** Name and type of an input, an output or a tensor between. */
export type ValueInfoProto = Message<'onnx.ValueInfoProto'> & {
  name: string;
  type?: TypeProto;
  docString: string;
};

/** Type of a value; sequences, maps and optionals are unknown fields here. */
export type TypeProto = Message<'onnx.TypeProto'> & {
  value: { case: 'tensorType'; value: TensorTypeProto } | { case: undefined; value?: undefined };
  denotation: string;
};

/** Element type and shape. */
export type TensorTypeProto = Message<'onnx.TensorTypeProto'> & {
  elemType: number;
  shape?: TensorShapeProto;
};

/** A shape; one that is not there is not known, one without dimensions is a scalar's. */
export type TensorShapeProto = Message<'onnx.TensorShapeProto'> & { dim: DimensionProto[] };

/** One extent: a number, a name or nothing. */
export type DimensionProto = Message<'onnx.DimensionProto'> & {
  value:
    | { case: 'dimValue'; value: bigint }
    | { case: 'dimParam'; value: string }
    | { case: undefined; value?: undefined };
  denotation: string;
};

/** The version of a set of operators; the domain of ONNX's own is empty. */
export type OperatorSetIdProto = Message<'onnx.OperatorSetIdProto'> & { domain: string; version: bigint };

/** One entry of a model's metadata. */
export type StringStringEntryProto = Message<'onnx.StringStringEntryProto'> & { key: string; value: string };

export const ModelProtoSchema: GenMessage<ModelProto> = schemaOf('ModelProto');
export const GraphProtoSchema: GenMessage<GraphProto> = schemaOf('GraphProto');
export const NodeProtoSchema: GenMessage<NodeProto> = schemaOf('NodeProto');
export const AttributeProtoSchema: GenMessage<AttributeProto> = schemaOf('AttributeProto');
export const TensorProtoSchema: GenMessage<TensorProto> = schemaOf('TensorProto');
export const ValueInfoProtoSchema: GenMessage<ValueInfoProto> = schemaOf('ValueInfoProto');
export const OperatorSetIdProtoSchema: GenMessage<OperatorSetIdProto> = schemaOf('OperatorSetIdProto');
export const StringStringEntryProtoSchema: GenMessage<StringStringEntryProto> =
  schemaOf('StringStringEntryProto');

/** Values of `TensorProto.data_type` and of a type's `elem_type`. */
export const elementTypes = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  half: 10,
  double: 11,
  brainHalf: 16,
} as const;

/** Values of `AttributeProto.type`. */
export const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

/** Value of `TensorProto.data_location` where the elements lie in another file. */
export const externalLocation = 1;

function schemaOf<Shape extends Message>(name: string): GenMessage<Shape> {
  return messageDesc<Shape>(onnxFile, messageNames.indexOf(name));
}
