// The rows of one call through a compiled graph, one by one: what a row gives must not depend on the rows beside it.
import { GuardError } from '../../shared/errors.ts';
import { batchRowsMax, graphOutputBytesMax } from '../../shared/limits.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { GraphCall, GraphOutputs } from '../bindings.ts';
import { requireIdentity } from '../clients/require-identity.ts';
import type { GraphMoment, GraphSessions } from './graph-sessions.ts';
import type { CompiledGraph } from './open-graph.ts';

/**
 * Runs a graph over all rows.
 * @throws GuardError `deadline_exceeded`; `batch_too_large`; `detector_unavailable` where the graph cannot be had, is of another
 *   identity or reads other rows; `bad_extractor_reply` where it does not run
 */
export async function extractRows(
  call: GraphCall,
  { sessions, waitUntil }: { sessions: GraphSessions<CompiledGraph> } & Pick<GraphMoment, 'waitUntil'>,
): Promise<GraphOutputs> {
  const { graph, deadlineAt } = call;
  const moment = { deadlineAt, waitUntil };
  const [rows] = call.shape;
  const taken = await sessions.use(graph, moment, async ({ held, inputShape, noiseCopies, ...sizes }) => {
    requireIdentity(held, call.expected, 'the detector Worker');
    requireRows(call, { inputShape, noiseCopies });
    const { logitsPerRow, columns } = sizes;
    return { held, noiseCopies, logitsPerRow, columns };
  });
  const { noiseCopies, logitsPerRow, columns } = taken;
  requireRoom(rows, logitsPerRow + columns);
  const logits = new Float32Array(rows * logitsPerRow);
  const changes = new Float32Array(rows * columns);
  const size = call.inputs.length / rows;
  for (let row = 0; row < rows; row++) {
    // The clock stands still while code runs, and whoever else has called waits as long.
    if (row > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    if (Date.now() >= deadlineAt) throw new GuardError('deadline_exceeded', 'the rows took too long');
    const noise = [row * noiseCopies, (row + 1) * noiseCopies] as const;
    const one = {
      values: call.inputs.subarray(row * size, (row + 1) * size),
      noiseRows: call.noiseRows.subarray(...noise),
      noiseSigns: call.noiseSigns.subarray(...noise),
    };
    const outputs = await sessions.use(graph, moment, (opened) => opened.run(one));
    logits.set(outputs.logits, row * logitsPerRow);
    changes.set(outputs.changes, row * columns);
  }
  return { ...taken.held, logits, changes: columns === 0 ? undefined : changes };
}

function requireRows(
  { inputs, shape, noiseRows, noiseSigns }: GraphCall,
  { inputShape, noiseCopies }: Pick<CompiledGraph, 'inputShape' | 'noiseCopies'>,
): void {
  const [rows, ...rowShape] = shape;
  const noise = rows * noiseCopies;
  const fits =
    rows >= 1 &&
    rows <= batchRowsMax &&
    rowShape.join() === inputShape.join() &&
    inputs.length === elementCount(shape) &&
    noiseRows.length === noise &&
    noiseSigns.length === noise;
  if (!fits) throw new GuardError('detector_unavailable', 'the compiled graph reads other rows than these');
}

function requireRoom(rows: number, numbersPerRow: number): void {
  const bytes = rows * numbersPerRow * Float32Array.BYTES_PER_ELEMENT;
  if (bytes <= graphOutputBytesMax) return;
  throw new GuardError(
    'batch_too_large',
    `the logits of these rows and their copies are ${bytes} bytes; without a gpu-worker at most ${graphOutputBytesMax}`,
  );
}
