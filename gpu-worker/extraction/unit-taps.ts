// Which tensors of a model a design on neurons reads where nobody names them, and the taps that do so.
import type { ExtractionPlan, Tap } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import type { Engine } from '../engine/engine.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import { readsOf, tidyGraph } from '../onnx/graph-order.ts';
import { activationOperators } from '../onnx/layer-tensors.ts';
import { loadModel } from '../onnx/model-file.ts';
import { prepareModel } from '../onnx/prepare-model.ts';
import type { NodeProto } from '../onnx/schema/messages.ts';
import { requireRowwise } from '../onnx/shape-probe.ts';

/** Operators that sum a map up into one number a channel. */
const globalPools: ReadonlySet<string> = new Set(['GlobalAveragePool', 'GlobalMaxPool', 'ReduceMean']);
/** What turns a tensor into another one's gate: x * sigmoid(x) is written as two nodes. */
const gates: ReadonlySet<string> = new Set(['Sigmoid', 'HardSigmoid', 'Tanh']);
/** Operators that read a tensor's shape and none of its values. */
const shapeReaders: ReadonlySet<string> = new Set(['Shape', 'Size']);

/** What taps are made for. */
export interface UnitTapOptions {
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  /** Tensors by their names in the file; the ends of the model's layers where there are none. */
  readonly tensors?: readonly string[] | undefined;
}

/**
 * Adds taps of units to a plan, under its total variation: the units whose relative changes a design on neurons reads.
 *
 * Unless they are named, the tensors are those that every path from the input to the logits runs through and that end a
 * layer (an activation or a global pool), and the logits: of a plain net each layer, of a residual one each block.
 * @throws GuardError `invalid_config` where the plan has no total variation; `invalid_model` where a tensor is not there
 */
export async function withUnitTaps(
  modelBytes: Uint8Array,
  plan: ExtractionPlan,
  { engine, tensors: named = [] }: UnitTapOptions,
): Promise<ExtractionPlan> {
  const transform = plan.transforms.findIndex(({ family }) => family === 'total-variation');
  if (transform === -1) {
    const detail = 'neurons are read under the transform total-variation, which the plan does not have';
    throw new GuardError('invalid_config', detail);
  }
  const model = loadModel(modelBytes);
  const prepared = await prepareModel(model, {
    engine,
    reserved: [],
    tensors: named,
    range: plan.input_range,
  });
  const { graph, input, logits, probed } = prepared;
  const tensors = named.length > 0 ? named : layerTensors(graph, { input: input.name, logits });
  const taps = tensors.map((tensor): Tap => {
    const { shape, datatype } = requireRowwise(model, probed, { tensor, label: tensor });
    if (datatype !== 'FP32' || shape.length < 2) {
      throw new GuardError('invalid_model', `${tensor} is not a float32 tensor with units`);
    }
    return { kind: 'units', tensor, transform, units: shape[1] };
  });
  return { ...plan, taps: [...plan.taps, ...taps] };
}

/** The ends of layers through which every path runs, in their order, and the logits. */
export function layerTensors(graph: GraphBuilder, ends: { input: string; logits: string }): string[] {
  const ending = bottlenecks(graph, ends).filter(({ node }) => endsLayer(graph, node));
  return [...new Set([...ending.map(({ tensor }) => tensor), ends.logits])];
}

function endsLayer(graph: GraphBuilder, node: NodeProto): boolean {
  if (activationOperators.has(node.opType) || globalPools.has(node.opType)) return true;
  return node.opType === 'Mul' && node.input.some((name) => gates.has(graph.producer(name)?.opType ?? ''));
}

/**
 * Tensors that every path from the input to the logits runs through, in their order.
 *
 * Walking the nodes in order, such a tensor is the only one that is known so far and still needed: whatever stands before it
 * is of no further use, and whatever comes after it reads it.
 */
function bottlenecks(
  { model }: GraphBuilder,
  { input, logits }: { input: string; logits: string },
): { tensor: string; node: NodeProto }[] {
  tidyGraph(model);
  const nodes = model.graph.node.filter(({ opType }) => !shapeReaders.has(opType));
  const needed = new Set([logits]);
  for (const node of nodes.toReversed()) {
    if (node.output.some((name) => needed.has(name))) for (const name of readsOf(node)) needed.add(name);
  }
  const onPath = new Set([input]);
  const path = nodes.filter((node) => {
    const runs =
      readsOf(node).some((name) => onPath.has(name)) && node.output.some((name) => needed.has(name));
    if (runs) for (const name of node.output) if (needed.has(name)) onPath.add(name);
    return runs;
  });
  const lastRead = new Map<string, number>();
  for (const [index, node] of path.entries()) for (const name of readsOf(node)) lastRead.set(name, index);
  lastRead.set(logits, path.length);
  const live = new Set([input]);
  return path.flatMap((node, index) => {
    for (const name of node.output) if (onPath.has(name)) live.add(name);
    for (const name of live) if ((lastRead.get(name) ?? 0) <= index) live.delete(name);
    const [tensor] = live;
    return live.size === 1 && node.output.includes(tensor) ? [{ tensor, node }] : [];
  });
}
