// Shapes of all tensors of a model, found by running it: what a shape inference engine would have to know by rules.
import { create } from '@bufbuild/protobuf';
import { GuardError } from '../../shared/errors.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { type Datatype, elementCount, float32Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import type { Engine } from '../engine/engine.ts';
import { nodeLabel, readsOf, tidyGraph } from './graph-order.ts';
import { loadModel, type Model, saveModel } from './model-file.ts';
import { type NodeProto, ValueInfoProtoSchema } from './schema/messages.ts';

/** What the probe saw of a tensor. */
export interface ProbedTensor {
  /** An extent of -k is k a row of the batch; NaN is one that depends on the batch in another way. */
  readonly shape: readonly number[];
  readonly datatype: Datatype;
  /** Whether its first dimension is the batch, and a row's values depend on no other row. */
  readonly rowwise: boolean;
  /** Whether it depends on the input; what constants alone give, such as a transposed weight, does not. */
  readonly fromInput: boolean;
}

/** Tensors by name: the input and all that nodes give. */
export type ProbedTensors = ReadonlyMap<string, ProbedTensor>;

/** What a probe needs to know. */
export interface ProbeOptions {
  readonly engine: Engine;
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  /** Tensor that the probe is for; what it does not need is not run. */
  readonly upTo: readonly string[];
  /** Lowest and highest value of the random input; [0, 1] where it is not given. */
  readonly range?: readonly [number, number];
}

/**
 * Runs a model at batch 2 and 3 with every tensor as an output; what moves with the batch is the batch.
 * @throws GuardError `invalid_model` with the runtime's reason, which names the node, where the model does not run so
 */
export async function probeShapes(model: Model, options: ProbeOptions): Promise<ProbedTensors> {
  const { engine, input, upTo } = options;
  const { exposed, dependent } = exposeAll(model, input.name, upTo);
  const size = elementCount(input.shape);
  const random = seededRandom(1);
  const [low, high] = options.range ?? [0, 1];
  const rows = Float32Array.from({ length: 3 * size }, () => low + (high - low) * random());
  // The batch of 2 is the last two rows of the batch of 3, so that a row stands at another place in each.
  const feeds = [
    float32Tensor(rows.slice(size), [2, ...input.shape]),
    float32Tensor(rows, [3, ...input.shape]),
  ];
  const refused = (cause: unknown): never => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GuardError('invalid_model', `the model does not run on batches of 2 and 3: ${reason}`, {
      cause,
    });
  };
  const loaded = await engine.load(saveModel(exposed), { optimisation: 'none' }).catch(refused);
  try {
    const two = await loaded.run({ [input.name]: feeds[0] }).catch(refused);
    const three = await loaded.run({ [input.name]: feeds[1] }).catch(refused);
    const probed = new Map<string, ProbedTensor>();
    for (const name of Object.keys(two)) {
      const fromInput = dependent.has(name);
      const seen = compare(two[name], three[name]);
      probed.set(name, { ...seen, fromInput, rowwise: seen.rowwise && fromInput });
    }
    const own = { shape: [-1, ...input.shape], datatype: 'FP32', rowwise: true, fromInput: true } as const;
    return probed.set(input.name, own);
  } finally {
    await loaded.release();
  }
}

/**
 * Refuses a tensor that has lost the batch, naming the node that lost it.
 * @param label the tensor's name in the protected model's file
 * @throws GuardError `invalid_model`
 */
export function requireRowwise(
  model: Model,
  probed: ProbedTensors,
  { tensor, label }: { tensor: string; label: string },
): ProbedTensor {
  const found = probed.get(tensor);
  if (found?.fromInput !== true)
    throw new GuardError('invalid_model', `${label} does not depend on the input`);
  if (found.rowwise) return found;
  const node = whereBatchIsLost(model, probed, tensor);
  const shape = found.shape.map((extent) => (extent < 0 ? 'batch' : extent)).join(', ');
  throw new GuardError(
    'invalid_model',
    `${label} has no batch dimension of independent rows (its shape is [${shape}]): lost at ${nodeLabel(node)}`,
  );
}

/** Walks back from a tensor to the first node that reads rows and gives none. */
function whereBatchIsLost(model: Model, probed: ProbedTensors, name: string): NodeProto {
  const producers = new Map(model.graph.node.flatMap((node) => node.output.map((out) => [out, node])));
  let node = producers.get(name)!;
  for (;;) {
    const sources = readsOf(node).filter((read) => probed.get(read)?.fromInput);
    if (sources.some((read) => probed.get(read)!.rowwise)) return node;
    const next = sources.map((read) => producers.get(read)).find((producer) => producer !== undefined);
    if (next === undefined) return node;
    node = next;
  }
}

/** A copy of the model whose outputs are all tensors that its nodes give, and those of them that depend on the input. */
function exposeAll(
  model: Model,
  input: string,
  upTo: readonly string[],
): { exposed: Model; dependent: ReadonlySet<string> } {
  const exposed = loadModel(saveModel(model));
  const { graph } = exposed;
  // Without a type: the runtime infers it.
  const untyped = (name: string) => create(ValueInfoProtoSchema, { name });
  graph.output = upTo.filter((name) => name !== input).map(untyped);
  tidyGraph(exposed);
  const dependent = new Set([input]);
  for (const node of graph.node) {
    if (readsOf(node).some((name) => dependent.has(name))) {
      for (const name of node.output) if (name !== '') dependent.add(name);
    }
  }
  dependent.delete(input);
  if (dependent.size === 0) {
    throw new GuardError('invalid_model', `nothing depends on input ${input}`);
  }
  // The values of Constant nodes are in the file.
  const given = graph.node.filter(({ opType }) => opType !== 'Constant').flatMap(({ output }) => output);
  graph.output = given.filter((name) => name !== '').map(untyped);
  return { exposed, dependent };
}

function compare(two: Tensor, three: Tensor): Omit<ProbedTensor, 'fromInput'> {
  const shape = two.shape.map((extent, axis) => {
    const other = three.shape[axis];
    if (extent === other) return extent;
    return extent * 3 === other * 2 ? -extent / 2 : Number.NaN;
  });
  const rowwise = shape[0] === -1 && shape.slice(1).every((extent) => extent > 0) && sameRows(two, three);
  return { shape, datatype: two.datatype, rowwise };
}

/** Whether the rows of the batch of 2 are the last of the batch of 3, but for rounding. */
function sameRows(two: Tensor, three: Tensor): boolean {
  const size = elementCount(two.shape.slice(1));
  let largest = 0;
  let difference = 0;
  for (let index = 0; index < 2 * size; index++) {
    const value = Number(two.data[index]);
    const other = Number(three.data[size + index]);
    // A NaN or an infinity is judged by whether it is the same in both.
    if (Object.is(value, other)) continue;
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, Math.abs(value - other));
  }
  return difference <= 1e-3 * largest;
}
