// Blur: a convolution with a Gaussian.
import type { TransformOf } from '../../../shared/contracts/transform.ts';
import { gaussianWeights } from '../../../shared/maths/transforms.ts';
import { type PlanesContext, refuseSetting } from './planes.ts';

/** Appends the blur and returns its copy, planes of the same size. */
export function appendBlur(
  { graph, planes, height, width }: PlanesContext,
  { sigma, size }: TransformOf<'blur'>,
): string {
  const reach = (size - 1) / 2;
  // A signal has nothing above and below it.
  const rows = height === 1 ? 1 : size;
  if (width <= reach || (rows > 1 && height <= reach)) {
    refuseSetting('blur', `a window of ${size} pixels needs more than a plane of ${height} x ${width}`);
  }
  const weights = gaussianWeights({ sigma, size });
  const vertical = rows === 1 ? Float64Array.of(1) : weights;
  const kernel = Array.from(vertical).flatMap((down) => Array.from(weights, (right) => down * right));
  const above = (rows - 1) / 2;
  const pads = graph.ints([0, 0, above, reach, 0, 0, above, reach]);
  const reflected = graph.op('Pad', [planes, pads], { mode: 'reflect' });
  return graph.op('Conv', [reflected, graph.floats([1, 1, rows, size], kernel)]);
}
