// The two ends of a protected model: the input that is perturbed and the logits that are read.
import { GuardError } from '../../shared/errors.ts';
import type { GraphBuilder } from './graph.ts';
import { nodeLabel } from './graph-order.ts';
import { elementTypes } from './schema/messages.ts';
import { declaredShape } from './value-info.ts';

/** The input of a model. */
export interface ModelInput {
  readonly name: string;
  /** Without the batch. */
  readonly shape: readonly number[];
  /** The batch size that the file fixes; undefined where it is free. */
  readonly fixedBatch: number | undefined;
}

/**
 * The one input of a model.
 * @throws GuardError `invalid_model` where there are several, it is not float32, has no batch dimension or another free one
 */
export function modelInput(graph: GraphBuilder): ModelInput {
  const { inputs } = graph;
  if (inputs.length !== 1) {
    const names = inputs.map(({ name }) => name).join(', ');
    throw new GuardError(
      'invalid_model',
      `the model has ${inputs.length} inputs (${names}) instead of one: \`nccr-guard model import\` names it`,
    );
  }
  const [info] = inputs;
  if (info.type?.value.value?.elemType !== elementTypes.float) {
    throw new GuardError('invalid_model', `input ${info.name} is not float32`);
  }
  const declared = declaredShape(info);
  if (declared === undefined || declared.length < 2) {
    const said = declared === undefined ? 'no shape' : `shape [${declared.join(', ')}]`;
    throw new GuardError('invalid_model', `input ${info.name} has ${said}: there is no batch dimension`);
  }
  const [batch, ...shape] = declared;
  const free = shape.findIndex((extent) => extent < 1);
  if (free !== -1) {
    throw new GuardError(
      'invalid_model',
      `dimension ${free + 1} of input ${info.name} is free: export it fixed, or fix it by \`nccr-guard model import\``,
    );
  }
  return { name: info.name, shape, fixedBatch: batch < 1 ? undefined : batch };
}

/**
 * The tensor that holds a model's logits: its only output or the one named `logits`, taken before a softmax.
 *
 * A log-softmax is kept: it moves all logits of a row alike, which no rank gap and no cross-entropy sees.
 * @param output names it where the model has several
 * @throws GuardError `invalid_model` where it is not clear which output is meant
 */
export function logitsTensor(graph: GraphBuilder, output?: string): string {
  const outputs = graph.model.graph.output.map(({ name }) => name);
  const chosen = output ?? (outputs.length === 1 ? outputs[0] : outputs.find((name) => name === 'logits'));
  if (chosen === undefined) {
    throw new GuardError(
      'invalid_model',
      `the model has several outputs, name the logits: ${outputs.join(', ')}`,
    );
  }
  if (graph.producer(chosen) === undefined) {
    throw new GuardError(
      'invalid_model',
      `no node gives ${chosen}; the model's outputs are ${outputs.join(', ')}`,
    );
  }
  requireTensorType(graph, chosen);
  return beforeSoftmax(graph, chosen);
}

/** Classifiers of ai.onnx.ml give labels as text and scores as a list of maps beside the tensors. */
function requireTensorType(graph: GraphBuilder, chosen: string): void {
  const type = graph.model.graph.output.find(({ name }) => name === chosen)?.type;
  if (type === undefined) return;
  const what = type.value.case === undefined ? 'a sequence, a map or an optional' : undefined;
  const text = type.value.value?.elemType === elementTypes.string ? 'a tensor of text' : undefined;
  const found = what ?? text;
  if (found === undefined) return;
  throw new GuardError(
    'invalid_model',
    `output ${chosen} is ${found}, not a tensor of scores: name another one`,
  );
}

/** Operators between a sigmoid and an output that only move its elements. */
const movers: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/**
 * Two logits for the one probability of a binary classifier: -z/2 and z/2 of what its sigmoid reads, whose softmax is the
 * probability and its complement.
 * @param options the only tensor of a row, and its name in the file
 * @returns the names of z, [R, 1], and of the two, [R, 2]
 * @throws GuardError `invalid_model` where no sigmoid gives the tensor: a number that is no probability has no classes
 */
export function binaryLogits(
  graph: GraphBuilder,
  { logits, label }: { logits: string; label: string },
): { difference: string; pair: string } {
  let node = graph.producer(logits);
  while (node !== undefined && movers.has(node.opType)) node = graph.producer(node.input[0]);
  if (node?.opType !== 'Sigmoid') {
    const detail = `${label} has 1 class instead of two or more, and no sigmoid that makes it a probability`;
    throw new GuardError('invalid_model', detail);
  }
  const difference = graph.op('Reshape', [node.input[0], graph.ints([-1, 1])]);
  return { difference, pair: graph.op('Mul', [difference, graph.floats([1, 2], [-0.5, 0.5])]) };
}

function beforeSoftmax(graph: GraphBuilder, tensor: string): string {
  let source = tensor;
  let node = graph.producer(source);
  while (node?.opType === 'Identity') {
    source = node.input[0];
    node = graph.producer(source);
  }
  if (node?.opType !== 'Softmax') return tensor;
  if (graph.producer(node.input[0]) === undefined) {
    throw new GuardError('invalid_model', `${nodeLabel(node)} reads the input itself`);
  }
  return node.input[0];
}
