// Nodes of older operator sets written as later ones mean them: where inputs took the place of attributes, or meanings moved.
import { GuardError } from '../../shared/errors.ts';
import { floatAttribute, intAttribute, intsAttribute, makeAttribute, stringAttribute } from './attributes.ts';
import type { GraphBuilder } from './graph.ts';
import { nodeLabel } from './graph-order.ts';
import type { NodeProto } from './schema/messages.ts';

/** Rewrites one node in place. */
type Conversion = (graph: GraphBuilder, node: NodeProto) => void;

/** What changed with an operator set, by operator; a set that is not here changed none of what a model can hold. */
export const conversions: Readonly<Record<number, Readonly<Record<string, Conversion>>>> = {
  9: { BatchNormalization: refuseSpatial },
  10: { Slice: moveAll(['starts', 'ends', 'axes']), TopK: moveOne('k'), Upsample: upsample },
  11: { Clip: clip, Pad: pad, Resize: resize },
  12: { Dropout: dropAttribute('ratio') },
  13: {
    Softmax: flattening,
    LogSoftmax: flattening,
    Hardmax: flattening,
    Squeeze: moveAll(['axes']),
    Unsqueeze: moveAll(['axes']),
    ReduceSum: moveAll(['axes']),
    Split: moveAll(['split']),
  },
};

/**
 * Rewrites a graph's nodes from one operator set to a later one, up to 17; the set itself is for the caller to raise.
 * @throws GuardError `unsupported_operator` that names the node, where a form cannot be written in the later set
 */
export function convertNodes(graph: GraphBuilder, { from, to }: { from: number; to: number }): void {
  for (let version = from + 1; version <= to; version++) {
    const changed = conversions[version] ?? {};
    const nodes = [...graph.model.graph.node];
    for (const node of nodes) {
      const isOwn = node.domain === '' || node.domain === 'ai.onnx';
      if (isOwn && Object.hasOwn(changed, node.opType)) changed[node.opType](graph, node);
    }
  }
}

/** Attributes that became inputs, in their order behind the first. */
function moveAll(names: readonly string[]): Conversion {
  return (graph, node) => {
    for (const [index, name] of names.entries()) {
      const values = intsAttribute(node, name);
      if (values !== undefined) setInput(node, index + 1, graph.ints(values));
      dropAttribute(name)(graph, node);
    }
  };
}

function moveOne(name: string): Conversion {
  return (graph, node) => {
    setInput(node, 1, graph.ints([intAttribute(node, name, 0)]));
    dropAttribute(name)(graph, node);
  };
}

function clip(graph: GraphBuilder, node: NodeProto): void {
  for (const [index, name] of ['min', 'max'].entries()) {
    const bound = floatAttribute(node, name, Number.NaN);
    if (!Number.isNaN(bound)) setInput(node, index + 1, graph.floats([], [bound]));
    dropAttribute(name)(graph, node);
  }
}

function pad(graph: GraphBuilder, node: NodeProto): void {
  const value = floatAttribute(node, 'value', 0);
  moveAll(['pads'])(graph, node);
  if (value !== 0) setInput(node, 2, graph.floats([], [value]));
  dropAttribute('value')(graph, node);
}

/** Until set 10 places of the input were those of the output over the scale, rounded down. */
function resize(graph: GraphBuilder, node: NodeProto): void {
  const [, scales] = node.input;
  node.input = [node.input[0], graph.floats([0], []), scales];
  const mode = stringAttribute(node, 'mode', 'nearest');
  setStrings(node, { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor', mode });
}

/** Became Resize, with its scales as an input from set 9 on. */
function upsample(graph: GraphBuilder, node: NodeProto): void {
  const scales = node.attribute.find(({ name }) => name === 'scales')?.floats;
  if (scales !== undefined) setInput(node, 1, graph.floats([scales.length], scales));
  dropAttribute('scales')(graph, node);
  if (node.input.length < 2) refuse(node, 'it has no scales');
  node.opType = 'Resize';
}

/** Until set 12 these took a tensor as a matrix, all axes from theirs on as its columns. */
function flattening(graph: GraphBuilder, node: NodeProto): void {
  const axis = intAttribute(node, 'axis', 1);
  dropAttribute('axis')(graph, node);
  if (axis === -1 || isEnd(graph, node.output[0])) {
    // Of an end of a model there is one row of classes a row of the batch, which is the same in both.
    setInt(node, 'axis', axis);
    return;
  }
  const [input] = node.input;
  const [output] = node.output;
  node.input = [graph.op('Flatten', [input], { axis })];
  node.output = [graph.freeName(node.opType)];
  setInt(node, 'axis', -1);
  graph.op('Reshape', [node.output[0], graph.op('Shape', [input])], {}, output);
}

/** Whether a tensor is an output of the model, but for nodes that copy it. */
function isEnd({ model: { graph } }: GraphBuilder, tensor: string): boolean {
  if (graph.output.some(({ name }) => name === tensor)) return true;
  return graph.node.some(
    ({ opType, input, output }) =>
      opType === 'Identity' && input[0] === tensor && graph.output.some(({ name }) => name === output[0]),
  );
}

function refuseSpatial(graph: GraphBuilder, node: NodeProto): void {
  if (intAttribute(node, 'spatial', 1) !== 1) refuse(node, 'it has statistics of its own for each place');
  dropAttribute('spatial')(graph, node);
}

function dropAttribute(dropped: string): Conversion {
  return (_graph, node) => {
    node.attribute = node.attribute.filter(({ name }) => name !== dropped);
  };
}

function setInput(node: NodeProto, index: number, tensor: string): void {
  while (node.input.length < index) node.input.push('');
  node.input[index] = tensor;
}

function setInt(node: NodeProto, name: string, value: number): void {
  node.attribute.push(makeAttribute(name, value));
}

function setStrings(node: NodeProto, values: Readonly<Record<string, string>>): void {
  node.attribute = node.attribute.filter(({ name }) => !Object.hasOwn(values, name));
  for (const [name, value] of Object.entries(values)) node.attribute.push(makeAttribute(name, value));
}

function refuse(node: NodeProto, why: string): never {
  throw new GuardError(
    'unsupported_operator',
    `${nodeLabel(node)} cannot be written in a later operator set: ${why}`,
  );
}
