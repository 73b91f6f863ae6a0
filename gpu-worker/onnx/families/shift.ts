// Shift: the content moved by whole pixels.
import type { TransformOf } from '../../../shared/contracts/transform.ts';
import { type PlanesContext, refuseSetting } from './planes.ts';

/** Appends the shift and returns its copy, planes of the same size. */
export function appendShift(
  { graph, planes, height, width }: PlanesContext,
  { dx, dy, edge }: TransformOf<'shift'>,
): string {
  if (Math.abs(dx) >= width || Math.abs(dy) >= height) {
    refuseSetting('shift', `(${dx}, ${dy}) moves all of a plane of ${height} x ${width} out of sight`);
  }
  // What leaves is cut off at one side, what comes in is filled at the other.
  const starts = [dy, dx].map((distance) => Math.max(0, -distance));
  const ends = [height - Math.max(0, dy), width - Math.max(0, dx)];
  const kept = graph.op('Slice', [planes, graph.ints(starts), graph.ints(ends), graph.ints([2, 3])]);
  const [top, left] = [dy, dx].map((distance) => Math.max(0, distance));
  const pads = graph.ints([0, 0, top, left, 0, 0, ...starts]);
  return edge === 'replicate'
    ? graph.op('Pad', [kept, pads], { mode: 'edge' })
    : graph.op('Pad', [kept, pads, graph.floats([], [0])]);
}
