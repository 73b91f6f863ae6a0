// Models in half precision: their constants and types written as float32, which holds every one of their values.
import { create } from '@bufbuild/protobuf';
import { GuardError } from '../../shared/errors.ts';
import { intAttribute, makeAttribute } from './attributes.ts';
import type { Model } from './model-file.ts';
import {
  elementTypes,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
} from './schema/messages.ts';

/** Attributes that name the element type of an output. */
const typeAttributes: ReadonlySet<string> = new Set(['to', 'dtype', 'output_dtype', 'output_datatype']);

/**
 * Writes a float16 or bfloat16 model as a float32 one; any other is left as it is.
 *
 * Weights are the same to the bit. What a half-precision device rounds between layers is not rounded, so that logits differ
 * from such a device's by its rounding. Changes under small noise need those digits, and processors have no other arithmetic.
 * @throws GuardError `invalid_model` where a constant ends within an element
 */
export function widenHalves(model: Model): void {
  widenGraph(model.graph);
}

function widenGraph(graph: GraphProto): void {
  graph.initializer = graph.initializer.map(widened);
  for (const info of [...graph.input, ...graph.output, ...graph.valueInfo]) widenType(info);
  for (const node of graph.node) widenNode(node);
}

function widenNode(node: NodeProto): void {
  node.attribute = node.attribute.map((attribute) =>
    typeAttributes.has(attribute.name) && isHalf(intAttribute(node, attribute.name, 0))
      ? makeAttribute(attribute.name, elementTypes.float)
      : attribute,
  );
  for (const attribute of node.attribute) {
    if (attribute.t !== undefined) attribute.t = widened(attribute.t);
    for (const body of attribute.g === undefined ? attribute.graphs : [attribute.g]) widenGraph(body);
  }
}

function widenType(info: ValueInfoProto): void {
  const tensor = info.type?.value.value;
  if (tensor !== undefined && isHalf(tensor.elemType)) tensor.elemType = elementTypes.float;
}

function isHalf(type: number): boolean {
  return type === elementTypes.half || type === elementTypes.brainHalf;
}

function widened(tensor: TensorProto): TensorProto {
  if (!isHalf(tensor.dataType)) return tensor;
  const { name, dims, rawData, int32Data, docString } = tensor;
  if (rawData.length % 2 !== 0) {
    const detail = `constant ${name} has ${rawData.length} bytes, no whole number of elements of 2`;
    throw new GuardError('invalid_model', detail);
  }
  // A copy, since the file may hold the elements at any offset. Where there are no raw bytes, 16 bits lie in each int32.
  const bits =
    rawData.length > 0 ? new Uint16Array(new Uint8Array(rawData).buffer) : Uint16Array.from(int32Data);
  const floats =
    tensor.dataType === elementTypes.half
      ? Float32Array.from(bits, halfToFloat)
      : new Float32Array(Uint32Array.from(bits, (value) => value << 16).buffer);
  const rawFloats = new Uint8Array(floats.buffer);
  return create(TensorProtoSchema, {
    name,
    dims,
    docString,
    dataType: elementTypes.float,
    rawData: rawFloats,
  });
}

/** @see IEEE 754-2019, section 3.4: 5 bits of exponent biased by 15, 10 of fraction */
function halfToFloat(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
