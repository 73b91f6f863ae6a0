// A compiled graph in the detector Worker: read from R2 within bounds, checked against its digest, and tried once.
import {
  type CompiledModel,
  changeColumns,
  compiledTensors,
  planNoiseCopies,
  planRuns,
} from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { graphBytesMax } from '../../shared/limits.ts';
import { elementCount, float32Tensor, int64Tensor, type NamedTensor } from '../../shared/maths/tensor.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { planDigest } from '../../shared/noise/plan-digest.ts';
import type { GraphReference, HeldGraph, SizedR2Binding } from '../bindings.ts';
import type { OpenGraph } from './graph-sessions.ts';
import { openOrtSession, runOrtGraph } from './ort-runtime.ts';
import { readCompiled } from './read-compiled.ts';

/** One row with its noise. */
export interface GraphRow {
  /** [...input shape]. */
  readonly values: Float32Array;
  /** [N] each; of none where the plan has no noise. */
  readonly noiseRows: Int32Array;
  readonly noiseSigns: Float32Array;
}

/** What one row gives. */
export interface RowOutputs {
  /** [runs, classes]. */
  readonly logits: Float32Array;
  /** [columns]; of none where the graph has no taps. */
  readonly changes: Float32Array;
}

/** A compiled graph that runs. */
export interface CompiledGraph extends OpenGraph {
  readonly held: HeldGraph;
  readonly inputShape: readonly number[];
  /** Copies with noise that a row takes. */
  readonly noiseCopies: number;
  /** Numbers of logits and of changes that a row gives. */
  readonly logitsPerRow: number;
  readonly columns: number;
  /** @throws GuardError `bad_extractor_reply` where the graph does not run, or gives other outputs than it says of itself */
  run(row: GraphRow): Promise<RowOutputs>;
}

/**
 * Reads a graph.
 * @throws GuardError `detector_unavailable` where it is missing, too large, cannot be read, or is not that of the digest
 */
export async function readGraph(
  bucket: SizedR2Binding,
  { key, digest }: GraphReference,
): Promise<Uint8Array> {
  const unreadable = (cause: unknown): never => {
    throw new GuardError('detector_unavailable', 'the store of compiled graphs cannot be read', { cause });
  };
  const object = await bucket.get(key).catch(unreadable);
  if (object === null) throw new GuardError('detector_unavailable', 'there is no compiled graph');
  if (object.size > graphBytesMax) {
    const detail = `the compiled graph has ${object.size} bytes; without a gpu-worker at most ${graphBytesMax} are run`;
    throw new GuardError('detector_unavailable', detail);
  }
  const bytes = new Uint8Array(await object.arrayBuffer().catch(unreadable));
  if ((await sha256Digest(bytes)) !== digest) {
    throw new GuardError(
      'detector_unavailable',
      'the compiled graph is not the one that the configuration names',
    );
  }
  return bytes;
}

/**
 * Opens a graph and runs it once, so that one which does not run is never taken for ready.
 * @param digest of the bytes
 * @throws GuardError `detector_unavailable` where it is no compiled graph or the runtime refuses it
 */
export async function openGraph(bytes: Uint8Array, { digest }: GraphReference): Promise<CompiledGraph> {
  const compiled = readCompiled(bytes);
  const { model, plan } = compiled;
  const session = await openOrtSession(bytes);
  const graph: CompiledGraph = {
    held: {
      modelDigest: model.digest,
      noiseKeyId: compiled.noise_key_id,
      planDigest: await planDigest(plan),
      compiledDigest: digest,
    },
    inputShape: model.input_shape,
    noiseCopies: noiseCopiesOf(compiled),
    logitsPerRow: planRuns(plan).length * model.classes,
    columns: changeColumns(plan).length,
    run: async (row) => outputsOf(await runOrtGraph(session, feedsOf(row, compiled)), compiled),
    release: () => session.release(),
  };
  try {
    await graph.run(trialRow(compiled));
  } catch (cause) {
    await graph.release();
    throw new GuardError('detector_unavailable', 'the compiled graph does not run', { cause });
  }
  return graph;
}

/** Copies with noise among those that the graph runs. */
function noiseCopiesOf({ plan }: CompiledModel): number {
  const noised = planNoiseCopies(plan);
  return planRuns(plan).filter((run) => run >= 1 && run <= noised).length;
}

function feedsOf({ values, noiseRows, noiseSigns }: GraphRow, { model }: CompiledModel): NamedTensor[] {
  const input = { name: compiledTensors.input, ...float32Tensor(values, [1, ...model.input_shape]) };
  if (noiseRows.length === 0) return [input];
  const shape = [1, noiseRows.length];
  return [
    input,
    { name: compiledTensors.noiseRows, ...int64Tensor(noiseRows, shape) },
    { name: compiledTensors.noiseSigns, ...float32Tensor(noiseSigns, shape) },
  ];
}

/** An input of the lowest value under the first row of the noise bank. */
function trialRow(compiled: CompiledModel): GraphRow {
  const copies = noiseCopiesOf(compiled);
  return {
    values: new Float32Array(elementCount(compiled.model.input_shape)).fill(compiled.plan.input_range[0]),
    noiseRows: new Int32Array(copies),
    noiseSigns: new Float32Array(copies).fill(1),
  };
}

function outputsOf(outputs: ReadonlyMap<string, Float32Array>, { model, plan }: CompiledModel): RowOutputs {
  const output = (name: string, length: number): Float32Array => {
    const values = outputs.get(name);
    if (values?.length === length) return values;
    throw new GuardError('bad_extractor_reply', `the graph gives no ${name} of ${length} numbers a row`);
  };
  const columns = changeColumns(plan).length;
  return {
    logits: output(compiledTensors.logits, planRuns(plan).length * model.classes),
    changes: columns === 0 ? new Float32Array(0) : output(compiledTensors.changes, columns),
  };
}
