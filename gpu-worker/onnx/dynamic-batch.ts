// Models that were exported for one batch size: the batch made free.
import { intAttribute } from './attributes.ts';
import { intsOf } from './constants.ts';
import type { GraphBuilder } from './graph.ts';
import { readsOf } from './graph-order.ts';
import type { ModelInput } from './model-ends.ts';
import { valueInfo } from './value-info.ts';

/**
 * Frees the batch of a model: of its input and of the reshapes that repeat the fixed size. Declared shapes of tensors
 * between are dropped, since they repeat it too. Whether the batch reaches the logits is for the shape probe to see.
 */
export function freeBatch(graph: GraphBuilder, input: ModelInput): void {
  const { model } = graph;
  model.graph.valueInfo = [];
  if (input.fixedBatch === undefined) return;
  const index = model.graph.input.findIndex(({ name }) => name === input.name);
  model.graph.input[index] = valueInfo(input.name, ['batch', ...input.shape]);

  const dependent = new Set([input.name]);
  for (const node of model.graph.node) {
    if (!readsOf(node).some((name) => dependent.has(name))) continue;
    for (const name of node.output) dependent.add(name);
    if (node.opType !== 'Reshape' || !dependent.has(node.input[0])) continue;
    const target = graph.constant(node.input[1]);
    const shape = target === undefined ? [] : intsOf(target);
    if (shape[0] !== input.fixedBatch || intAttribute(node, 'allowzero', 0) !== 0) continue;
    // 0 copies the extent; it is only used where -1 already stands for another one.
    const batch = shape.includes(-1) ? 0 : -1;
    node.input[1] = graph.ints([batch, ...shape.slice(1)]);
  }
}
