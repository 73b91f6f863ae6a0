// Total variation: Chambolle's dual, a fixed number of iterations unrolled into the graph.
import type { TransformOf } from '../../../shared/contracts/transform.ts';
import { totalVariationStep } from '../../../shared/maths/transforms.ts';
import { onVolumes, type PlanesContext } from './planes.ts';

/**
 * Appends the minimiser of total variation and returns its copy, planes of the same size.
 *
 * The dual variable is one tensor, first downward, then to the right. Differences and sums are convolutions: a graph of
 * this size is paid for by the node.
 * @see Chambolle, "An algorithm for total variation minimization and applications", 2004, equation (9)
 */
export function appendTotalVariation(
  context: PlanesContext,
  { weight, iterations }: TransformOf<'total-variation'>,
): string {
  const { graph } = context;
  const step = totalVariationStep;
  const factor = graph.floats([], [weight]);
  const one = graph.floats([], [1]);
  const gradientKernel = graph.floats([2, 1, 1, 2, 2], [-step, 0, step, 0, -step, step, 0, 0]);
  const divergenceKernel = graph.floats([1, 2, 1, 2, 2], [0, -1, 0, 1, 0, 0, -1, 1]);
  const sumKernel = graph.floats([1, 2, 1, 1, 1], [1, 1]);
  const farEdge = graph.ints([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
  /** The step times the gradient; the repeated edge makes it 0 at the far one. */
  const gradient = (tensor: string) =>
    graph.op('Conv', [graph.op('Pad', [tensor, farEdge], { mode: 'edge' }), gradientKernel]);
  const divergence = (dual: string) =>
    graph.op('Conv', [dual, divergenceKernel], { pads: [0, 1, 1, 0, 0, 0] });
  const shrunk = (dual: string, ascent: string) => {
    const squares = graph.op('Conv', [graph.op('Mul', [ascent, ascent]), sumKernel]);
    const length = graph.op('Sqrt', [squares]);
    return graph.op('Div', [dual, graph.op('Add', [length, one])]);
  };
  return onVolumes(context, (input) => {
    const scaled = graph.op('Div', [input, factor]);
    // The dual starts at 0, so that its first step needs no divergence.
    const start = gradient(graph.op('Neg', [scaled]));
    let dual = shrunk(start, start);
    for (let iteration = 1; iteration < iterations; iteration++) {
      const ascent = gradient(graph.op('Sub', [divergence(dual), scaled]));
      dual = shrunk(graph.op('Add', [dual, ascent]), ascent);
    }
    return graph.op('Sub', [input, graph.op('Mul', [divergence(dual), factor])]);
  });
}
