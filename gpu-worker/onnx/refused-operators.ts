// Operators that a guarded model must not hold, each with the reason.
import { GuardError } from '../../shared/errors.ts';
import { intAttribute } from './attributes.ts';
import type { GraphBuilder } from './graph.ts';
import { nodeLabel, readsOf } from './graph-order.ts';
import type { NodeProto } from './schema/messages.ts';

const branches = 'what it runs depends on the data, for all rows of a batch alike';
const draws = 'it draws at random in every run, so that the same input never gives the same vector';
const batchScale = 'it takes its scale over the whole batch, so that rows depend on each other';

/** Reasons by operator, of whatever domain. */
export const refusedOperators: Readonly<Record<string, string>> = {
  If: branches,
  Loop: branches,
  Scan: branches,
  SequenceMap: branches,
  RandomNormal: draws,
  RandomNormalLike: draws,
  RandomUniform: draws,
  RandomUniformLike: draws,
  Bernoulli: draws,
  Multinomial: draws,
  DynamicQuantizeLinear: batchScale,
  DynamicQuantizeMatMul: batchScale,
  DynamicQuantizeLSTM: batchScale,
};

/**
 * Refuses a model in which a tensor that is read needs such an operator.
 * @param tensors the logits and whatever is tapped
 * @throws GuardError `invalid_model` that names the node and the reason
 */
export function refuseOperators(graph: GraphBuilder, tensors: readonly string[]): void {
  const seen = new Set<string>();
  const pending = [...tensors];
  for (let tensor = pending.pop(); tensor !== undefined; tensor = pending.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    const node = graph.producer(tensor);
    if (node === undefined) continue;
    const reason = Object.hasOwn(refusedOperators, node.opType) ? refusedOperators[node.opType] : undefined;
    if (reason !== undefined)
      throw new GuardError('invalid_model', `${nodeLabel(node)} cannot be guarded: ${reason}`);
    if (isTraining(graph, node)) {
      throw new GuardError(
        'invalid_model',
        `${nodeLabel(node)} is in training mode: export the model for inference`,
      );
    }
    pending.push(...readsOf(node));
  }
}

/** Whether a node takes statistics of the batch, or may drop elements at random. */
function isTraining(graph: GraphBuilder, node: NodeProto): boolean {
  if (node.opType === 'BatchNormalization') return intAttribute(node, 'training_mode', 0) !== 0;
  const mode = node.opType === 'Dropout' ? (node.input[2] ?? '') : '';
  if (mode === '') return false;
  const constant = graph.constant(mode);
  const [value = 1] = constant === undefined ? [] : [...constant.rawData, ...constant.int32Data];
  return value !== 0;
}
