// The taps of a compiled graph: activations reduced to a few numbers, where they are computed.
import { assert } from '../../shared/assert.ts';
import { changeColumns, compiledTensors, type Tap } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { GraphBuilder } from './graph.ts';
import { reduce } from './reduce.ts';

/** A tap whose tensor was found in the model. */
export interface PlacedTap {
  readonly tap: Tap;
  /** Name of the tensor in the compiled graph. */
  readonly tensor: string;
  /** Shape of the tensor without the batch. */
  readonly shape: readonly number[];
}

/**
 * Adds the reductions of all taps as the output `changes [R, D]`, whose columns are `changeColumns` of the plan.
 * @param taps in the order of the plan
 * @param copies N, of each input
 * @throws GuardError `invalid_model` where a tap names a channel or neuron that its tensor does not have
 * @see NCCR, section 3.2
 */
export function appendTaps(graph: GraphBuilder, taps: readonly PlacedTap[], copies: number): void {
  assert(taps.length > 0, 'there is a tap');
  const columns = taps.flatMap((tap) => appendTap(graph, tap, copies));
  const joined = columns.length === 1 ? columns[0] : graph.op('Concat', columns, { axis: 1 });
  // Means run over the N + 1 rows, the input's own difference from itself being 0: one pass over the activations
  // without a copy of them. What that takes too little is made good here.
  const factors = changeColumns({ taps: taps.map(({ tap }) => tap) }).map(({ quantity }) =>
    quantity === 'change' ? (copies + 1) / copies : 1,
  );
  const scale = graph.floats([factors.length], factors);
  graph.op('Mul', [joined, scale], {}, compiledTensors.changes);
  graph.output(compiledTensors.changes, ['R', factors.length]);
}

function appendTap(graph: GraphBuilder, { tap, tensor, shape }: PlacedTap, copies: number): string[] {
  const neurons = elementCount(shape);
  if (tap.kind === 'layer') {
    const rows = graph.op('Reshape', [tensor, graph.ints([-1, copies + 1, neurons, 1])]);
    const { differences, input } = changesOf(graph, rows);
    const change = reduce(graph, 'Mean', differences, { axes: [1, 2], keep: false });
    const base = reduce(graph, 'Mean', graph.op('Abs', [input]), { axes: [1, 2], keep: false });
    return [change, base];
  }
  const units = tap.kind === 'channels' ? shape[0] : neurons;
  const missing = tap.index.find((index) => index >= units);
  if (missing !== undefined) {
    throw new GuardError('invalid_model', `${tap.tensor} has ${units} ${tap.kind}, there is no ${missing}`);
  }
  const rows = graph.op('Reshape', [tensor, graph.ints([-1, copies + 1, units, neurons / units])]);
  const picked = graph.op('Gather', [rows, graph.ints(tap.index)], { axis: 2 });
  return [reduce(graph, 'Mean', changesOf(graph, picked).differences, { axes: [1, 3], keep: false })];
}

/** Absolute differences from the input's own activations, for [R, N + 1, units, positions]. */
function changesOf(graph: GraphBuilder, rows: string): { differences: string; input: string } {
  const input = graph.op('Slice', [rows, graph.ints([0]), graph.ints([1]), graph.ints([1])]);
  const differences = graph.op('Abs', [graph.op('Sub', [rows, input])]);
  return { differences, input };
}
