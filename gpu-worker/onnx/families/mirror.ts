// Mirror: left and right swapped.
import type { PlanesContext } from './planes.ts';

/** Appends the mirror and returns its copy, planes of the same size. */
export function appendMirror({ graph, planes, width }: PlanesContext): string {
  const [from, to, axis, step] = [-1, -width - 1, 3, -1].map((value) => graph.ints([value]));
  return graph.op('Slice', [planes, from, to, axis, step]);
}
