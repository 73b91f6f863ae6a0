// The penultimate activation of a classifier: what its last linear layer reads.
import type { Tap } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { activationNeuronsMax } from '../../shared/limits.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Engine } from '../engine/engine.ts';
import type { GraphBuilder } from './graph.ts';
import { loadModel } from './model-file.ts';
import { prepareModel } from './prepare-model.ts';
import { requireRowwise } from './shape-probe.ts';

/** Operators that move or scale logits and leave the layer behind them the last one. */
const passedOver = ['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Add', 'LogSoftmax'];
const linearLayers = ['Gemm', 'MatMul', 'Conv'];

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
  const found = lastLinearInput(prepared.graph, prepared.logits);
  if (found === undefined) {
    const logits = prepared.originalName(prepared.logits);
    throw new GuardError('invalid_model', `${logits} does not come from a linear layer that could be tapped`);
  }
  const label = prepared.originalName(found);
  const { shape, datatype } = requireRowwise(model, prepared.probed, { tensor: found, label });
  const neurons = elementCount(shape.slice(1));
  if (datatype !== 'FP32' || neurons > activationNeuronsMax) {
    const detail = `the penultimate activation ${label} has ${neurons} neurons; at most ${activationNeuronsMax} are read`;
    throw new GuardError('invalid_model', detail);
  }
  return { kind: 'activations', tensor: label, neurons };
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
