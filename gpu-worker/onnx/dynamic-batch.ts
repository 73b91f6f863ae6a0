// Models that were exported for one batch size: the batch made free.
import { intAttribute } from './attributes.ts';
import { intsOf } from './constants.ts';
import type { GraphBuilder } from './graph.ts';
import { readsOf } from './graph-order.ts';
import type { ModelInput } from './model-ends.ts';
import type { NodeProto } from './schema/messages.ts';
import { valueInfo } from './value-info.ts';

/** What a rule knows of the batch. */
interface FixedBatch {
  readonly size: number;
  /** Whether a tensor depends on the model's input. */
  readonly depends: (tensor: string) => boolean;
}

/** Operators that repeat a fixed batch size, and how it is taken out of them; all others follow their operands. */
export const batchRules: Readonly<
  Record<string, (graph: GraphBuilder, node: NodeProto, batch: FixedBatch) => void>
> = { Reshape: freeReshape, Concat: freeConcat };

/**
 * Frees the batch of a model: of its input and of the nodes that repeat the fixed size. Declared shapes of tensors
 * between are dropped, since they repeat it too. Whether the batch reaches the logits is for the shape probe to see.
 */
export function freeBatch(graph: GraphBuilder, input: ModelInput): void {
  const { model } = graph;
  model.graph.valueInfo = [];
  if (input.fixedBatch === undefined) return;
  const index = model.graph.input.findIndex(({ name }) => name === input.name);
  model.graph.input[index] = valueInfo(input.name, ['batch', ...input.shape]);

  const dependent = new Set([input.name]);
  const batch = { size: input.fixedBatch, depends: (tensor: string) => dependent.has(tensor) };
  const nodes = [...model.graph.node];
  for (const node of nodes) {
    if (!readsOf(node).some((name) => dependent.has(name))) continue;
    for (const name of node.output) dependent.add(name);
    if (Object.hasOwn(batchRules, node.opType)) batchRules[node.opType](graph, node, batch);
  }
}

function freeReshape(graph: GraphBuilder, node: NodeProto, { size, depends }: FixedBatch): void {
  if (!depends(node.input[0])) return;
  const target = graph.constant(node.input[1]);
  const shape = target === undefined ? [] : intsOf(target);
  if (shape[0] !== size || intAttribute(node, 'allowzero', 0) !== 0) return;
  // 0 copies the extent; it is only used where -1 already stands for another one.
  const free = shape.includes(-1) ? 0 : -1;
  node.input[1] = graph.ints([free, ...shape.slice(1)]);
}

/** A constant that is joined to each row, as a class token is, was exported for a batch of one. */
function freeConcat(graph: GraphBuilder, node: NodeProto, { size, depends }: FixedBatch): void {
  const axis = intAttribute(node, 'axis', 0);
  const rows = node.input.find(depends);
  if (size !== 1 || axis === 0 || rows === undefined) return;
  node.input = node.input.map((operand) => {
    const shape = graph.constant(operand)?.dims.map(Number) ?? [];
    if (depends(operand) || shape.length < 2 || shape[0] !== 1 || axis === -shape.length) return operand;
    const [first, end, axes] = [0, 1, 0].map((value) => graph.ints([value]));
    const count = graph.op('Slice', [graph.op('Shape', [rows]), first, end, axes]);
    const target = graph.op('Concat', [count, graph.ints(shape.slice(1))], { axis: 0 });
    return graph.op('Expand', [operand, target]);
  });
}
