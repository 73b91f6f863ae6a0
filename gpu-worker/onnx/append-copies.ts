// The front of a compiled graph: each input and its perturbed copies as rows of one batch.
import { assert } from '../../shared/assert.ts';
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import type { CopySource } from './families/copy-source.ts';
import type { GraphBuilder } from './graph.ts';

/** What is put in front of the protected model. */
export interface CopiesOptions {
  /** The protected model's own input: from now on the batch of copies. */
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly range: readonly [number, number];
  readonly sources: readonly CopySource[];
  /** Whether the input itself is run before its copies; it is where this is not given. */
  readonly original?: boolean;
}

/**
 * Puts `x [R, ...shape]` in front of the model, whose own input becomes [R * (N + 1), ...shape]: of each row of x first
 * the input itself, untouched, where it is run, then the copies of each source.
 */
export function appendCopies(
  graph: GraphBuilder,
  { input, range, sources, original: runsOriginal = true }: CopiesOptions,
): void {
  assert(sources.length > 0 || runsOriginal, 'a compiled graph runs something');
  const { name, shape } = input;
  const protectedGraph = graph.model.graph;
  protectedGraph.input = protectedGraph.input.filter((info) => info.name !== name);
  const x = graph.input(compiledTensors.input, ['R', ...shape]);
  const original = graph.op('Reshape', [x, graph.ints([-1, 1, ...shape])]);
  const copies = sources.map((source) => source.append({ graph, input: original, shape, range }));
  const run = runsOriginal ? [original, ...copies] : copies;
  const rows = run.length === 1 ? run[0] : graph.op('Concat', run, { axis: 1 });
  graph.op('Reshape', [rows, graph.ints([-1, ...shape])], {}, name);
}
