// The penultimate activation of a classifier: what its last linear layer reads.
import type { Tap } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { activationNeuronsMax, projectedNeuronsMax, projectionDirections } from '../../shared/limits.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Engine } from '../engine/engine.ts';
import type { GraphBuilder } from './graph.ts';
import { loadModel } from './model-file.ts';
import { type PreparedModel, prepareModel } from './prepare-model.ts';
import { requireRowwise } from './shape-probe.ts';

/** Operators that move or scale logits and leave the layer behind them the last one. */
const passedOver = ['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Add', 'LogSoftmax'];
const linearLayers = ['Gemm', 'MatMul', 'Conv'];

/** A tensor by its name in the file, and how many numbers are read of it. */
export interface PenultimateLayer {
  readonly tensor: string;
  /** Its elements without the batch, or the directions that they are projected onto. */
  readonly neurons: number;
  /** Its elements where it is projected. */
  readonly projected_from?: number;
}

/**
 * Finds the penultimate activation of a model and says how to tap it.
 * @throws GuardError `invalid_model` where the logits are not those of a linear layer, or it reads too many neurons
 */
export async function penultimateTap(
  modelBytes: Uint8Array,
  { engine, output }: { readonly engine: Engine; readonly output?: string },
): Promise<Extract<Tap, { kind: 'activations' }>> {
  const model = loadModel(modelBytes);
  const prepared = await prepareModel(model, { engine, reserved: [], ...(output && { output }) });
  const layer = penultimateLayer(prepared);
  const { tensor, projected_from: neurons } = layer;
  if (neurons === undefined) return { kind: 'activations', ...layer };
  // What is fitted to a guard's neurons was never looked at on projections.
  const detail = `the penultimate activation ${tensor} has ${neurons} neurons; at most ${activationNeuronsMax} are read`;
  throw new GuardError('invalid_model', detail);
}

/**
 * Finds the penultimate activation of a prepared model; one of more than 512 neurons is projected onto 128.
 * @param named a tensor to be read in its place, by its name in the file; the model was prepared for it
 * @throws GuardError `invalid_model` where the logits are not those of a linear layer, or the tensor has too many neurons or
 *   no rows of float32
 */
export function penultimateLayer(prepared: PreparedModel, named?: string): PenultimateLayer {
  const { graph, probed, logits, originalName, presentName } = prepared;
  const found = named === undefined ? lastLinearInput(graph, logits) : presentName(named);
  if (found === undefined) {
    const detail = `${originalName(logits)} does not come from a linear layer that could be tapped`;
    throw new GuardError('invalid_model', detail);
  }
  const label = originalName(found);
  const { shape, datatype } = requireRowwise(graph.model, probed, { tensor: found, label });
  const neurons = elementCount(shape.slice(1));
  if (datatype !== 'FP32') {
    throw new GuardError('invalid_model', `the penultimate activation ${label} is not float32`);
  }
  if (neurons <= activationNeuronsMax) return { tensor: label, neurons };
  if (neurons > projectedNeuronsMax) {
    const detail = `the penultimate activation ${label} has ${neurons} neurons; at most ${projectedNeuronsMax} are read`;
    throw new GuardError('invalid_model', detail);
  }
  return { tensor: label, neurons: projectionDirections, projected_from: neurons };
}

function lastLinearInput(graph: GraphBuilder, logits: string): string | undefined {
  let node = graph.producer(logits);
  while (node !== undefined && !linearLayers.includes(node.opType)) {
    if (!passedOver.includes(node.opType)) return undefined;
    // A bias is added to what a node gives; the other operand is a constant.
    const next: typeof node | undefined = node.input.map((name) => graph.producer(name)).find(isComputed);
    node = next;
  }
  return node?.input[0];
}

function isComputed(node: ReturnType<GraphBuilder['producer']>): boolean {
  return node !== undefined && node.opType !== 'Constant';
}
