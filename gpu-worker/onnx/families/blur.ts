// Blur: a convolution with a Gaussian.
import type { TransformOf } from '../../../shared/contracts/transform.ts';
import { gaussianWeights } from '../../../shared/maths/transforms.ts';
import { onVolumes, type PlanesContext, refuseSetting } from './planes.ts';

/** Appends the blur, first down the columns and then along the rows, and returns its copy, planes of the same size. */
export function appendBlur(context: PlanesContext, { sigma, size }: TransformOf<'blur'>): string {
  const { graph, height, width } = context;
  const reach = (size - 1) / 2;
  // A signal has nothing above and below it.
  const rows = height === 1 ? 1 : size;
  if (width <= reach || (rows > 1 && height <= reach)) {
    refuseSetting('blur', `a window of ${size} pixels needs more than a plane of ${height} x ${width}`);
  }
  const weights = gaussianWeights({ sigma, size });
  const above = (rows - 1) / 2;
  const pads = graph.ints([0, 0, 0, above, reach, 0, 0, 0, above, reach]);
  return onVolumes(context, (volumes) => {
    const reflected = graph.op('Pad', [volumes, pads], { mode: 'reflect' });
    const down =
      rows === 1 ? reflected : graph.op('Conv', [reflected, graph.floats([1, 1, 1, size, 1], weights)]);
    return graph.op('Conv', [down, graph.floats([1, 1, 1, 1, size], weights)]);
  });
}
