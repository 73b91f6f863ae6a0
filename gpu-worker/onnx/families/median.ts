// Median: the middle value of a small window, by comparisons of whole planes.
import type { TransformOf } from '../../../shared/contracts/transform.ts';
import type { PlanesContext } from './planes.ts';

/**
 * Appends the median and returns its copy, planes of the same size.
 *
 * Columns are sorted once and shared by the windows that hold them.
 * @see Smith, "Implementing median filters in XC4000E FPGAs", 1996: the median of nine from three sorted columns
 */
export function appendMedian(context: PlanesContext, { size }: TransformOf<'median'>): string {
  const { graph, planes, height, width } = context;
  const after = size - 2;
  const padded = graph.op('Pad', [planes, graph.ints([0, 0, 1, 1, 0, 0, after, after])], { mode: 'edge' });
  const min = (...tensors: string[]) => graph.op('Min', tensors);
  const max = (...tensors: string[]) => graph.op('Max', tensors);
  const middle = (a: string, b: string, c: string) => max(min(a, b), min(max(a, b), c));
  /** The `size` views of a tensor along an axis, each of the plane's own extent there. */
  const views = (tensor: string, axis: number, extent: number) =>
    Array.from({ length: size }, (_, offset) =>
      graph.op('Slice', [tensor, ...[offset, offset + extent, axis].map((value) => graph.ints([value]))]),
    );
  const alongRow = (tensor: string) => views(tensor, 3, width);
  const [top, centre, bottom] = views(padded, 2, height);
  if (size === 2) {
    // The second highest of two sorted pairs.
    const [low, high] = [min(top, centre), max(top, centre)].map(alongRow);
    return max(min(...high), max(...low));
  }
  const low = alongRow(min(top, centre, bottom));
  const [left, here, right] = alongRow(middle(top, centre, bottom));
  const high = alongRow(max(top, centre, bottom));
  return middle(max(...low), middle(left, here, right), min(...high));
}
