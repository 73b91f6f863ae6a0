// Additive noise: rows of the bank that the graph carries, chosen and signed by the caller.
import { compiledTensors } from '../../../shared/contracts/extraction.ts';
import { elementCount } from '../../../shared/maths/tensor.ts';
import type { CopyContext, CopySource } from './copy-source.ts';

/** The bank and how many of its rows perturb an input. */
export interface NoiseOptions {
  /** Row-major [rows, elements of the input], in units of the input. */
  readonly bank: Float32Array;
  readonly copies: number;
}

/**
 * Copies `clip(x + sign_k * bank[row_k])`; rows and signs are inputs of the graph.
 * @see NCCR, section 3.2
 */
export function noiseCopies({ bank, copies }: NoiseOptions): CopySource {
  return {
    copies,
    append({ graph, input, shape, range }: CopyContext) {
      const rows = graph.input(compiledTensors.noiseRows, ['R', copies], 'int64');
      const signs = graph.input(compiledTensors.noiseSigns, ['R', copies]);
      const stored = graph.floats([bank.length / elementCount(shape), ...shape], bank);
      const drawn = graph.op('Gather', [stored, rows], { axis: 0 });
      const ones = shape.map(() => 1);
      const factors = graph.op('Reshape', [signs, graph.ints([-1, copies, ...ones])]);
      const noise = graph.op('Mul', [drawn, factors]);
      const sum = graph.op('Add', [noise, input]);
      return graph.op('Clip', [sum, ...range.map((bound) => graph.floats([], [bound]))]);
    },
  };
}
