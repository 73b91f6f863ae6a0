// Attributes of ONNX nodes: made from plain values, read with a default.
import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  attributeTypes,
  type NodeProto,
} from './schema/messages.ts';

/** A number is an integer attribute, since most are; a float says so. */
export type AttributeValue = number | string | readonly number[] | { readonly float: number };

/** Makes one attribute. */
export function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: attributeTypes.int, i: BigInt(value) });
  }
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: attributeTypes.string,
      s: new TextEncoder().encode(value),
    });
  }
  if ('float' in value) {
    return create(AttributeProtoSchema, { name, type: attributeTypes.float, f: value.float });
  }
  return create(AttributeProtoSchema, { name, type: attributeTypes.ints, ints: value.map(BigInt) });
}

/** Reads an integer attribute. */
export function intAttribute(node: NodeProto, name: string, fallback: number): number {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : Number(attribute.i);
}

/** Reads a float attribute. */
export function floatAttribute(node: NodeProto, name: string, fallback: number): number {
  return find(node, name)?.f ?? fallback;
}

/** Reads a list of integers; undefined where the node does not have it. */
export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return find(node, name)?.ints.map(Number);
}

/** Reads a text attribute. */
export function stringAttribute(node: NodeProto, name: string, fallback: string): string {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : new TextDecoder().decode(attribute.s);
}

function find(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}
