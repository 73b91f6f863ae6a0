// Total variation: Chambolle's dual, a fixed number of iterations unrolled into the graph.
import type { TransformOf } from '../../../shared/contracts/transform.ts';
import { totalVariationStep } from '../../../shared/maths/transforms.ts';
import { reduce } from '../reduce.ts';
import type { PlanesContext } from './planes.ts';

/**
 * Appends the minimiser of total variation and returns its copy, planes of the same size.
 *
 * The dual variable is one tensor [planes, 2, height, width], first downward, then to the right. Differences are
 * convolutions: a graph of this size is paid for by the node.
 * @see Chambolle, "An algorithm for total variation minimization and applications", 2004, equation (9)
 */
export function appendTotalVariation(
  { graph, planes }: PlanesContext,
  { weight, iterations }: TransformOf<'total-variation'>,
): string {
  const step = totalVariationStep;
  const one = graph.floats([], [1]);
  const gradientKernel = graph.floats([2, 1, 2, 2], [-step, 0, step, 0, -step, step, 0, 0]);
  const divergenceKernel = graph.floats([1, 2, 2, 2], [0, -1, 0, 1, 0, 0, -1, 1]);
  const farEdge = graph.ints([0, 0, 0, 0, 0, 0, 1, 1]);
  const scaled = graph.op('Div', [planes, graph.floats([], [weight])]);
  /** The step times the gradient; the repeated edge makes it 0 at the far one. */
  const gradient = (tensor: string) =>
    graph.op('Conv', [graph.op('Pad', [tensor, farEdge], { mode: 'edge' }), gradientKernel]);
  const divergence = (dual: string) => graph.op('Conv', [dual, divergenceKernel], { pads: [1, 1, 0, 0] });
  const shrunk = (dual: string, ascent: string) => {
    const squares = reduce(graph, 'Sum', graph.op('Mul', [ascent, ascent]), { axes: [1], keep: true });
    return graph.op('Div', [dual, graph.op('Add', [graph.op('Sqrt', [squares]), one])]);
  };
  // The dual starts at 0, so that its first step needs no divergence.
  const first = gradient(graph.op('Neg', [scaled]));
  let dual = shrunk(first, first);
  for (let iteration = 1; iteration < iterations; iteration++) {
    const ascent = gradient(graph.op('Sub', [divergence(dual), scaled]));
    dual = shrunk(graph.op('Add', [dual, ascent]), ascent);
  }
  return graph.op('Sub', [planes, graph.op('Mul', [divergence(dual), graph.floats([], [weight])])]);
}
