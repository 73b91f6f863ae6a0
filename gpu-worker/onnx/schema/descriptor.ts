// The ONNX file format as a protobuf descriptor: the messages and fields that the guard reads or writes.
import { create, createFileRegistry, type DescFile } from '@bufbuild/protobuf';
import {
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';

const scalarTypes = {
  int32: FieldDescriptorProto_Type.INT32,
  int64: FieldDescriptorProto_Type.INT64,
  uint64: FieldDescriptorProto_Type.UINT64,
  float: FieldDescriptorProto_Type.FLOAT,
  double: FieldDescriptorProto_Type.DOUBLE,
  string: FieldDescriptorProto_Type.STRING,
  bytes: FieldDescriptorProto_Type.BYTES,
} as const;

/** A field's number, its type (a scalar or the name of a message here) and how often it occurs. */
type Field = readonly [number: number, type: string, kind?: 'repeated' | 'packed' | 'oneof'];

/**
 * Field numbers are those of onnx.proto of the ONNX specification (IR version 3 to 11). Fields that are not listed,
 * such as functions or quantisation annotations, are unknown to the reader and survive a round trip as they are.
 * Enumerations are written as int32, which is the same on the wire and refuses no newer value.
 */
const messageFields: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  ModelProto: {
    ir_version: [1, 'int64'],
    producer_name: [2, 'string'],
    producer_version: [3, 'string'],
    domain: [4, 'string'],
    model_version: [5, 'int64'],
    doc_string: [6, 'string'],
    graph: [7, 'GraphProto'],
    opset_import: [8, 'OperatorSetIdProto', 'repeated'],
    metadata_props: [14, 'StringStringEntryProto', 'repeated'],
  },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    doc_string: [10, 'string'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
    value_info: [13, 'ValueInfoProto', 'repeated'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    op_type: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
    doc_string: [6, 'string'],
    domain: [7, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    floats: [7, 'float', 'repeated'],
    ints: [8, 'int64', 'repeated'],
    strings: [9, 'bytes', 'repeated'],
    graphs: [11, 'GraphProto', 'repeated'],
    doc_string: [13, 'string'],
    type: [20, 'int32'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    data_type: [2, 'int32'],
    float_data: [4, 'float', 'packed'],
    int32_data: [5, 'int32', 'packed'],
    int64_data: [7, 'int64', 'packed'],
    name: [8, 'string'],
    raw_data: [9, 'bytes'],
    double_data: [10, 'double', 'packed'],
    uint64_data: [11, 'uint64', 'packed'],
    doc_string: [12, 'string'],
    external_data: [13, 'StringStringEntryProto', 'repeated'],
    data_location: [14, 'int32'],
  },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'], doc_string: [3, 'string'] },
  TypeProto: { tensor_type: [1, 'TensorTypeProto', 'oneof'], denotation: [6, 'string'] },
  TensorTypeProto: { elem_type: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto', 'repeated'] },
  DimensionProto: {
    dim_value: [1, 'int64', 'oneof'],
    dim_param: [2, 'string', 'oneof'],
    denotation: [3, 'string'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
};

/** Names of the messages, in the order in which `onnxFile` holds them. */
export const messageNames = Object.keys(messageFields);

/** The descriptor. It is proto2, so that a field that is set to its default is still written back. */
export const onnxFile: DescFile = describeFile();

function describeFile(): DescFile {
  const name = 'onnx.proto';
  const file = create(FileDescriptorProtoSchema, {
    name,
    package: 'onnx',
    syntax: 'proto2',
    messageType: messageNames.map((message) => ({
      name: message,
      field: Object.entries(messageFields[message]).map(([field, description]) =>
        describeField(field, description),
      ),
      oneofDecl: Object.values(messageFields[message]).some(([, , kind]) => kind === 'oneof')
        ? [{ name: 'value' }]
        : [],
    })),
  });
  return createFileRegistry(file, () => undefined).getFile(name)!;
}

function describeField(name: string, [number, type, kind]: Field): FieldDescriptorProto {
  const repeated = kind === 'repeated' || kind === 'packed';
  const scalar = scalarTypes[type as keyof typeof scalarTypes] as FieldDescriptorProto_Type | undefined;
  return create(FieldDescriptorProtoSchema, {
    name,
    number,
    label: repeated ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
    type: scalar ?? FieldDescriptorProto_Type.MESSAGE,
    ...(scalar === undefined ? { typeName: `.onnx.${type}` } : {}),
    ...(kind === 'oneof' ? { oneofIndex: 0 } : {}),
    ...(kind === 'packed' ? { options: { packed: true } } : {}),
  });
}
