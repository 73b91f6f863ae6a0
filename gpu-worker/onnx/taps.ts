// The taps of a compiled graph: activations reduced to a few numbers, where they are computed.
import { assert } from '../../shared/assert.ts';
import {
  changeColumns,
  compiledTensors,
  type ExtractionPlan,
  planNoiseCopies,
  planRuns,
  type Tap,
} from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { projectionSigns } from '../../shared/maths/random-projection.ts';
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
 * @param plan of the graph, whose copies stand in its tensors
 * @throws GuardError `invalid_model` where a tap names a channel or neuron that its tensor does not have, or another
 *   number of units than it has
 * @see NCCR, section 3.2
 */
export function appendTaps(
  graph: GraphBuilder,
  taps: readonly PlacedTap[],
  plan: Pick<ExtractionPlan, 'noise' | 'transforms' | 'only'>,
): void {
  assert(taps.length > 0, 'there is a tap');
  const copies = planRuns(plan).length - 1;
  const columns = taps.flatMap(({ tap, tensor, shape }) => {
    if (tap.kind === 'levels')
      return appendLevels(graph, { tap, tensor, shape }, { copies, noise: plan.noise });
    if (tap.kind !== 'units') return appendTap(graph, { tap, tensor, shape }, copies);
    const copy = planNoiseCopies(plan) + tap.transform + 1;
    return appendUnits(graph, { tap, tensor, shape }, { copies, copy });
  });
  const joined = columns.length === 1 ? columns[0] : graph.op('Concat', columns, { axis: 2 });
  // Means over all copies run over the N + 1 rows, the input's own difference from itself being 0: one pass over the
  // activations without a copy of them. What that takes too little is made good here.
  const factors = changeColumns({ taps: taps.map(({ tap }) => tap) }).map(({ quantity, unit }) =>
    quantity === 'change' && unit.kind !== 'unit' && unit.kind !== 'level' ? (copies + 1) / copies : 1,
  );
  const scaled = graph.op('Mul', [joined, graph.floats([factors.length], factors)]);
  graph.op('Reshape', [scaled, graph.ints([-1, factors.length])], {}, compiledTensors.changes);
  graph.output(compiledTensors.changes, ['R', factors.length]);
}

/** A tap of one kind. */
interface PlacedTapOf<K extends Tap> extends PlacedTap {
  readonly tap: K;
}

/** Columns of one tap over all copies, each [R, 1, columns]. */
function appendTap(
  graph: GraphBuilder,
  { tap, tensor, shape }: PlacedTapOf<Exclude<Tap, { kind: 'units' | 'levels' }>>,
  copies: number,
): string[] {
  const neurons = elementCount(shape);
  if (tap.kind === 'activations' || tap.kind === 'drifts') {
    const { neurons: read, projected_from: planned = read } = tap;
    if (planned !== neurons) {
      throw new GuardError('invalid_model', `${tap.tensor} has ${neurons} neurons, not ${planned}`);
    }
    const rows = graph.op('Reshape', [tensor, graph.ints([-1, copies + 1, neurons])]);
    const input = graph.op('Slice', [rows, graph.ints([0]), graph.ints([1]), graph.ints([1])]);
    if (tap.kind === 'activations') return [projected(graph, input, tap)];
    const copied = graph.op('Slice', [rows, graph.ints([1]), graph.ints([copies + 1]), graph.ints([1])]);
    const drift = graph.op('Sub', [reduce(graph, 'Mean', copied, { axes: [1], keep: true }), input]);
    return [projected(graph, drift, tap)];
  }
  if (tap.kind === 'layer') {
    const rows = graph.op('Reshape', [tensor, graph.ints([-1, copies + 1, neurons])]);
    const { differences, input } = changesOf(graph, rows);
    // Both axes at once and none behind them: the runtime then sums straight through memory, five times as fast.
    const mean = (values: string) => reduce(graph, 'Mean', values, { axes: [1, 2], keep: true });
    return [mean(differences), mean(graph.op('Abs', [input]))];
  }
  const units = tap.kind === 'channels' ? shape[0] : neurons;
  const missing = tap.index.find((index) => index >= units);
  if (missing !== undefined) {
    throw new GuardError('invalid_model', `${tap.tensor} has ${units} ${tap.kind}, there is no ${missing}`);
  }
  const rows = graph.op('Reshape', [tensor, graph.ints([-1, copies + 1, units, neurons / units])]);
  const picked = graph.op('Gather', [rows, graph.ints(tap.index)], { axis: 2 });
  const { differences } = changesOf(graph, picked);
  const positions = reduce(graph, 'Mean', differences, { axes: [3], keep: false });
  return [reduce(graph, 'Mean', positions, { axes: [1], keep: true })];
}

/** Numbers [R, 1, neurons] as they are, or fewer where the tap says so. */
function projected(
  graph: GraphBuilder,
  values: string,
  { neurons, projected_from: inputs }: Extract<Tap, { kind: 'activations' | 'drifts' }>,
): string {
  if (inputs === undefined) return values;
  const signs = projectionSigns({ inputs, outputs: neurons });
  return graph.op('MatMul', [values, graph.floats([inputs, neurons], signs)]);
}

/** Changes, drifts and bases of all units under one copy, each [R, 1, units]. */
function appendUnits(
  graph: GraphBuilder,
  { tap, tensor, shape }: PlacedTapOf<Extract<Tap, { kind: 'units' }>>,
  { copies, copy }: { copies: number; copy: number },
): string[] {
  const [units, ...extents] = shape;
  if (units !== tap.units) {
    throw new GuardError('invalid_model', `${tap.tensor} has ${units} units, the plan says ${tap.units}`);
  }
  const positions = elementCount(extents);
  const rows = graph.op('Reshape', [tensor, graph.ints([-1, copies + 1, units, positions])]);
  const row = (first: number) =>
    graph.op('Slice', [rows, graph.ints([first]), graph.ints([first + 1]), graph.ints([1])]);
  const input = row(0);
  const difference = graph.op('Sub', [row(copy), input]);
  const mean = (values: string) => reduce(graph, 'Mean', values, { axes: [3], keep: false });
  const absolute = (values: string) => mean(graph.op('Abs', [values]));
  return [absolute(difference), mean(difference), absolute(input)];
}

/** A layer's change under each segment of the noise and its base, each [R, 1, 1]. */
function appendLevels(
  graph: GraphBuilder,
  { tensor, shape }: PlacedTapOf<Extract<Tap, { kind: 'levels' }>>,
  { copies, noise }: { copies: number; noise: ExtractionPlan['noise'] },
): string[] {
  const rows = graph.op('Reshape', [tensor, graph.ints([-1, copies + 1, elementCount(shape)])]);
  const slice = (first: number, end: number) =>
    graph.op('Slice', [rows, graph.ints([first]), graph.ints([end]), graph.ints([1])]);
  const mean = (values: string) => reduce(graph, 'Mean', values, { axes: [1, 2], keep: true });
  const input = slice(0, 1);
  let end = 1;
  const changes = noise.map((segment) => {
    const first = end;
    end += segment.copies;
    return mean(graph.op('Abs', [graph.op('Sub', [slice(first, end), input])]));
  });
  return [...changes, mean(graph.op('Abs', [input]))];
}

/** Absolute differences from the input's own activations, for a tensor [R, N + 1, ...]. */
function changesOf(graph: GraphBuilder, rows: string): { differences: string; input: string } {
  const input = graph.op('Slice', [rows, graph.ints([0]), graph.ints([1]), graph.ints([1])]);
  const differences = graph.op('Abs', [graph.op('Sub', [rows, input])]);
  return { differences, input };
}
