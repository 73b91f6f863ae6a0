// The weights of a model's file: which they are, read out and written back.
import { assertShape } from '../../shared/assert.ts';
import { floatsOf } from './constants.ts';
import { buildOn, type GraphBuilder } from './graph.ts';
import { loadModel, saveModel } from './model-file.ts';
import { elementTypes, type NodeProto } from './schema/messages.ts';
import { widenHalves } from './widen-halves.ts';

/** One weight tensor of a file. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

/**
 * The weights and biases of a model's convolutions and dense layers, in the order of its nodes.
 *
 * Constants of other operators, such as those that normalise pixels, are none.
 * @throws GuardError `invalid_model` where the file is no model
 */
export function readWeights(modelBytes: Uint8Array): Weight[] {
  const model = loadModel(modelBytes);
  widenHalves(model);
  const graph = buildOn(model, 'guard');
  const initialisers = new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor]));
  const names = new Set(model.graph.node.flatMap((node) => weightInputs(node, graph)));
  return [...names].flatMap((name) => {
    const tensor = initialisers.get(name);
    if (tensor === undefined || tensor.dataType !== elementTypes.float) return [];
    return [{ name, shape: tensor.dims.map(Number), values: floatsOf(tensor) }];
  });
}

/**
 * Writes other values into a model's constants; a model in half precision becomes one of float32.
 * @param weights each of the shape that the file has
 * @throws Error where the file has no such constant or another shape
 */
export function writeWeights(
  modelBytes: Uint8Array,
  weights: readonly Pick<Weight, 'name' | 'values'>[],
): Uint8Array<ArrayBuffer> {
  const model = loadModel(modelBytes);
  widenHalves(model);
  for (const { name, values } of weights) {
    const tensor = model.graph.initializer.find((candidate) => candidate.name === name);
    assertShape(values, tensor?.dims.map(Number) ?? [0], name);
    if (tensor === undefined) continue;
    tensor.floatData = [];
    tensor.rawData = new Uint8Array(values.slice().buffer);
  }
  return saveModel(model);
}

/** Names of a node's inputs that may be weights. */
function weightInputs(node: NodeProto, graph: GraphBuilder): string[] {
  if (node.opType === 'Conv' || node.opType === 'Gemm') return node.input.slice(1);
  if (node.opType === 'MatMul') return node.input;
  // The bias of a dense layer that is written as a product and a sum.
  const isBias =
    node.opType === 'Add' && node.input.some((name) => graph.producer(name)?.opType === 'MatMul');
  return isBias ? node.input : [];
}
