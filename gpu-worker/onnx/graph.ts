// Building on an ONNX graph: new constants, operators, inputs and outputs beside what is there.
import { create } from '@bufbuild/protobuf';
import { type AttributeValue, makeAttribute } from './attributes.ts';
import { floatTensor, intTensor } from './constants.ts';
import { tensorNames } from './graph-order.ts';
import type { Model } from './model-file.ts';
import { opsetVersion } from './opset-version.ts';
import {
  type elementTypes,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  type ValueInfoProto,
} from './schema/messages.ts';
import { type Extent, valueInfo } from './value-info.ts';

/** A graph under construction. Names that it makes collide with none that was there before. */
export interface GraphBuilder {
  readonly model: Model;
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  /** Inputs that a caller feeds: those that have no constant as their default. */
  readonly inputs: readonly ValueInfoProto[];
  /** The constant of that name: an initialiser, or what a Constant node gives. */
  constant(name: string): TensorProto | undefined;
  /** The node that gives a tensor. */
  producer(name: string): NodeProto | undefined;
  /** A name that no other tensor has. */
  freeName(hint: string): string;
  /** Adds a float32 constant and returns its name; an empty shape makes a scalar. */
  floats(shape: readonly number[], values: ArrayLike<number>): string;
  /** Adds a list of int64 and returns its name. */
  ints(values: readonly number[]): string;
  /** Adds an int64 scalar and returns its name: an index that Gather takes the axis away for. */
  scalarInt(value: number): string;
  /** Adds a node with one output and returns that output's name. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    output?: string,
  ): string;
  /** Adds an input. */
  input(name: string, shape: readonly Extent[], element?: keyof typeof elementTypes): string;
  /** Declares a tensor as an output. */
  output(name: string, shape: readonly Extent[], element?: keyof typeof elementTypes): void;
}

/** Starts an empty model. */
export function newModel(graphName: string, opset: number): Model {
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: 'nccr-guard',
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) })],
  });
  return Object.assign(model, { graph: create(GraphProtoSchema, { name: graphName }) });
}

/**
 * Opens a model for building; the model itself is changed.
 * @param prefix start of every name that is made, for whoever reads the graph later
 */
export function buildOn(model: Model, prefix: string): GraphBuilder {
  const { graph } = model;
  const taken = tensorNames(graph);
  // The runtime refuses two nodes of one name, and a node may be called what another one's output is.
  const nodeNames = new Set(graph.node.map(({ name }) => name));
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const producers = new Map<string, NodeProto>();
  for (const node of graph.node) {
    for (const output of node.output) producers.set(output, node);
    const value = node.opType === 'Constant' ? node.attribute.find(({ name }) => name === 'value')?.t : null;
    if (value) constants.set(node.output[0], value);
  }

  const freeName = (hint: string) => {
    let name = `${prefix}/${hint}`;
    for (let count = 1; taken.has(name); count++) name = `${prefix}/${hint}_${count}`;
    taken.add(name);
    return name;
  };
  const keep = (tensor: TensorProto) => {
    graph.initializer.push(tensor);
    constants.set(tensor.name, tensor);
    return tensor.name;
  };

  return {
    model,
    opset: opsetVersion(model),
    get inputs() {
      return graph.input.filter(({ name }) => !constants.has(name));
    },
    constant: (name) => constants.get(name),
    producer: (name) => producers.get(name),
    freeName,
    floats: (shape, values) => keep(floatTensor(freeName('floats'), shape, values)),
    ints: (values) => keep(intTensor(freeName('ints'), [values.length], values)),
    scalarInt: (value) => keep(intTensor(freeName('int'), [], [value])),
    op(opType, inputs, attributes = {}, output = freeName(opType)) {
      taken.add(output);
      let name = output;
      while (nodeNames.has(name)) name = `${prefix}/${name}`;
      nodeNames.add(name);
      const attribute = Object.entries(attributes).map(([key, value]) => makeAttribute(key, value));
      const node = create(NodeProtoSchema, {
        opType,
        name,
        input: [...inputs],
        output: [output],
        attribute,
      });
      graph.node.push(node);
      producers.set(output, node);
      return output;
    },
    input(name, shape, element) {
      taken.add(name);
      graph.input.push(valueInfo(name, shape, element));
      return name;
    },
    output(name, shape, element) {
      graph.output.push(valueInfo(name, shape, element));
    },
  };
}
