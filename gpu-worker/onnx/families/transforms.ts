// Transforms of the input as copies: one file a family, chosen here.
import type { Transform } from '../../../shared/contracts/transform.ts';
import { appendBitDepth } from './bit-depth.ts';
import { appendBlur } from './blur.ts';
import type { CopyContext, CopySource } from './copy-source.ts';
import { appendMedian } from './median.ts';
import { appendMirror } from './mirror.ts';
import { type PlanesContext, planeExtents } from './planes.ts';
import { appendShift } from './shift.ts';
import { appendTotalVariation } from './total-variation.ts';

/**
 * One copy a transform, in their order.
 *
 * Appending throws GuardError `invalid_model` with the reason where a transform does not fit the input.
 */
export function transformCopies(transforms: readonly Transform[]): CopySource {
  return {
    copies: transforms.length,
    append({ graph, input, shape, range }: CopyContext) {
      const copies = transforms.map((transform) => {
        const { height, width } = planeExtents(shape, transform);
        const planes = graph.op('Reshape', [input, graph.ints([-1, 1, height, width])]);
        const copy = appendTransform({ graph, planes, height, width, range }, transform);
        return graph.op('Reshape', [copy, graph.ints([-1, 1, ...shape])]);
      });
      const joined = copies.length === 1 ? copies[0] : graph.op('Concat', copies, { axis: 1 });
      return graph.op('Clip', [joined, ...range.map((bound) => graph.floats([], [bound]))]);
    },
  };
}

function appendTransform(context: PlanesContext, transform: Transform): string {
  switch (transform.family) {
    case 'shift':
      return appendShift(context, transform);
    case 'mirror':
      return appendMirror(context);
    case 'total-variation':
      return appendTotalVariation(context, transform);
    case 'blur':
      return appendBlur(context, transform);
    case 'bit-depth':
      return appendBitDepth(context, transform);
    case 'median':
      return appendMedian(context, transform);
  }
}
