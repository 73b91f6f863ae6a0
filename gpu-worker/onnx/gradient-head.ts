// What is differentiated: the loss over the logits, and its gradient by them.
import { assert } from '../../shared/assert.ts';
import type { GraphBuilder } from './graph.ts';
import { reduce } from './reduce.ts';
import { elementTypes } from './schema/messages.ts';

/**
 * `cross-entropy` of a target distribution; `margin` of Carlini and Wagner, `max(z_t - max_(j != t) z_j, -kappa)`, of
 * a one-hot target; `seed`: any gradient by the logits, so that one-hot seeds give rows of the Jacobian.
 */
export type GradientHead = 'cross-entropy' | 'margin' | 'seed';

/** Larger than any logit, so that the target's own never is the largest of the others. */
const excluded = 1e9;

/**
 * Adds the head's inputs, its output `loss [R]` where it has one, and returns the gradient by the logits.
 * @param logits name of a tensor [R, classes]
 */
export function appendHead(
  graph: GraphBuilder,
  head: GradientHead,
  { logits, classes }: { logits: string; classes: number },
): string {
  if (head === 'seed') return graph.input('seed', ['R', classes]);
  const target = graph.input('target', ['R', classes]);
  return head === 'cross-entropy' ? crossEntropy(graph, logits, target) : margin(graph, logits, target);
}

function crossEntropy(graph: GraphBuilder, logits: string, target: string): string {
  const weighted = graph.op('Mul', [graph.op('LogSoftmax', [logits], { axis: -1 }), target]);
  const sum = reduce(graph, 'Sum', weighted, { axes: [1], keep: false });
  outputLoss(graph, 'Neg', [sum]);
  return graph.op('Sub', [graph.op('Softmax', [logits], { axis: -1 }), target]);
}

function margin(graph: GraphBuilder, logits: string, target: string): string {
  const kappa = graph.input('kappa', []);
  const own = reduce(graph, 'Sum', graph.op('Mul', [logits, target]), { axes: [1], keep: true });
  const far = graph.op('Mul', [target, graph.floats([], [excluded])]);
  const others = graph.op('Sub', [logits, far]);
  const largest = reduce(graph, 'Max', others, { axes: [1], keep: true });
  const difference = graph.op('Sub', [own, largest]);
  const floor = graph.op('Neg', [kappa]);
  const flat = graph.op('Reshape', [difference, graph.ints([-1])]);
  outputLoss(graph, 'Max', [flat, floor]);
  const asFloat = (condition: string) => graph.op('Cast', [condition], { to: elementTypes.float });
  const rivals = asFloat(graph.op('Equal', [others, largest]));
  const count = reduce(graph, 'Sum', rivals, { axes: [1], keep: true });
  const direction = graph.op('Sub', [target, graph.op('Div', [rivals, count])]);
  return graph.op('Mul', [direction, asFloat(graph.op('Greater', [difference, floor]))]);
}

function outputLoss(graph: GraphBuilder, opType: 'Neg' | 'Max', inputs: string[]): void {
  const name = graph.op(opType, inputs, {}, 'loss');
  assert(name === 'loss', 'the loss has its agreed name');
  graph.output(name, ['R']);
}
