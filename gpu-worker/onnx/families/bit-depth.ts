// Bit depth: values rounded to a few levels.
import type { TransformOf } from '../../../shared/contracts/transform.ts';
import type { PlanesContext } from './planes.ts';

/** Appends the reduced bit depth and returns its copy, planes of the same size; a half goes to the even level. */
export function appendBitDepth(
  { graph, planes, range }: PlanesContext,
  { bits }: TransformOf<'bit-depth'>,
): string {
  const [low, high] = range;
  const levels = graph.floats([], [2 ** bits - 1]);
  const isUnit = low === 0 && high === 1;
  const start = graph.floats([], [low]);
  const width = graph.floats([], [high - low]);
  const unit = isUnit ? planes : graph.op('Div', [graph.op('Sub', [planes, start]), width]);
  const rounded = graph.op('Round', [graph.op('Mul', [unit, levels])]);
  const copy = graph.op('Div', [rounded, levels]);
  return isUnit ? copy : graph.op('Add', [graph.op('Mul', [copy, width]), start]);
}
