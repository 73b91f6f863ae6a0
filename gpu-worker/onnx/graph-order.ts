// The order of an ONNX graph's nodes and the names of its tensors: sort, prune, rename.
import { GuardError } from '../../shared/errors.ts';
import type { Model } from './model-file.ts';
import type { GraphProto, NodeProto } from './schema/messages.ts';

/** Names of all tensors of a graph, those inside the bodies of loops and conditions too. */
export function tensorNames(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const { name } of [...graph.initializer, ...graph.input, ...graph.output]) names.add(name);
  for (const node of graph.node) {
    for (const name of [...node.input, ...node.output]) names.add(name);
    for (const body of bodies(node)) for (const name of tensorNames(body)) names.add(name);
  }
  return names;
}

/** How a node is named in errors: its name where it has one, else its first output. */
export function nodeLabel(node: NodeProto): string {
  return `${node.opType} (${node.name === '' ? node.output[0] : node.name})`;
}

/**
 * Puts nodes after those that they read, as the format demands, and drops nodes and constants that no output needs.
 * @throws GuardError `invalid_model` where a node reads a tensor that nothing gives, or nodes read each other in a circle
 */
export function tidyGraph(model: Model): void {
  prune(model.graph);
  sortNodes(model.graph);
}

/** Renames tensors throughout a graph, in inputs, outputs and constants too. */
export function renameTensors(graph: GraphProto, names: ReadonlyMap<string, string>): void {
  const renamed = (name: string) => names.get(name) ?? name;
  for (const value of [...graph.initializer, ...graph.input, ...graph.output, ...graph.valueInfo]) {
    value.name = renamed(value.name);
  }
  for (const node of graph.node) {
    node.input = node.input.map(renamed);
    node.output = node.output.map(renamed);
    for (const body of bodies(node)) renameTensors(body, names);
  }
}

/** Tensors that a node reads, those that its bodies take from outside too. */
export function readsOf(node: NodeProto): string[] {
  // A body's own tensors are among them, which only keeps more than is needed.
  return [...node.input, ...bodies(node).flatMap((body) => [...tensorNames(body)])];
}

function bodies(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]));
}

function prune(graph: GraphProto): void {
  const producers = producersOf(graph);
  const needed = new Set<string>();
  const pending = graph.output.map(({ name }) => name);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    const producer = producers.get(name);
    if (producer !== undefined) pending.push(...readsOf(producer));
  }
  graph.node = graph.node.filter(({ output }) => output.some((name) => needed.has(name)));
  graph.initializer = graph.initializer.filter(({ name }) => needed.has(name));
}

/**
 * Puts nodes after those that they read.
 * @throws GuardError as `tidyGraph` does
 */
export function sortNodes(graph: GraphProto): void {
  const producers = producersOf(graph);
  const readers = new Map<NodeProto, NodeProto[]>();
  const waiting = new Map<NodeProto, number>();
  for (const node of graph.node) {
    const sources = new Set(readsOf(node).map((name) => producers.get(name)));
    sources.delete(undefined);
    sources.delete(node);
    waiting.set(node, sources.size);
    for (const source of sources) readers.set(source!, [...(readers.get(source!) ?? []), node]);
  }
  const sorted = graph.node.filter((node) => waiting.get(node) === 0);
  for (const node of sorted) {
    for (const reader of readers.get(node) ?? []) {
      const left = waiting.get(reader)! - 1;
      waiting.set(reader, left);
      if (left === 0) sorted.push(reader);
    }
  }
  const stuck = graph.node.find((node) => waiting.get(node)! > 0);
  if (stuck !== undefined) throw new GuardError('invalid_model', `${nodeLabel(stuck)} reads its own result`);
  const given = new Set(['', ...[...graph.initializer, ...graph.input].map(({ name }) => name)]);
  for (const node of graph.node) {
    const missing = node.input.find((name) => !given.has(name) && !producers.has(name));
    if (missing !== undefined) {
      throw new GuardError('invalid_model', `${nodeLabel(node)} reads ${missing}, which nothing gives`);
    }
  }
  graph.node = sorted;
}

function producersOf(graph: GraphProto): Map<string, NodeProto> {
  return new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
}
