// The noise of a call to the gpu-worker: which rows of the bank each input takes, and by which signs.
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import { int64Tensor, type NamedTensor } from '../../shared/maths/tensor.ts';
import type { RowSelection } from '../../shared/noise/select-rows.ts';

/**
 * Makes the tensors.
 * @param selections one an input, all of the same N rows and signs
 * @returns rows and signs, [inputs, N]; nothing where N is 0, for a compiled graph without noise has no such inputs and refuses them
 */
export function noiseTensors(selections: readonly Pick<RowSelection, 'rows' | 'signs'>[]): NamedTensor[] {
  const shape = [selections.length, selections[0].rows.length];
  if (shape[1] === 0) return [];
  const rows = selections.flatMap((selection) => selection.rows);
  const signs = Float32Array.from(selections.flatMap((selection) => selection.signs));
  return [
    { name: compiledTensors.noiseRows, ...int64Tensor(rows, shape) },
    { name: compiledTensors.noiseSigns, datatype: 'FP32', shape, data: signs },
  ];
}
