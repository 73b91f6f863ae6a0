// Has the detector Worker run compiled graphs where there is to be no gpu-worker, and believes nothing of its answers unchecked.
import { type ErrorCode, GuardError } from '../../shared/errors.ts';
import type { RowSelection } from '../../shared/noise/select-rows.ts';
import type {
  DetectorBinding,
  GraphAnswer,
  GraphOutputs,
  GraphQuestion,
  GraphReference,
  HeldGraph,
} from '../bindings.ts';
import type { CallOutcome } from './circuit-breaker.ts';
import type { ExpectedModel, Extraction, ExtractionCall, ExtractorClient } from './extractor-client.ts';
import { hasNegativeMean } from './negative-means.ts';
import { type Attempt, type Neighbour, neighbour } from './neighbour.ts';
import { requireIdentity } from './require-identity.ts';

/** Which graphs, and how failures are borne. */
export interface GraphExtractorOptions {
  readonly binding: Pick<DetectorBinding, 'describe' | 'extract'>;
  /** By the models' names: the graph of a whole plan, or those of the stages of a sequential test in their order. */
  readonly graphs: ReadonlyMap<string, readonly GraphReference[]>;
  /** The circuit breaker and the retries of extractions; a readiness check asks past them. */
  readonly worker?: Neighbour;
  /** Time without which a call that came to no end says nothing of the detector Worker. */
  readonly patienceMs?: number;
}

/** What the detector Worker may refuse with. Any other code would be one of its own faults. */
const refusalCodes: readonly ErrorCode[] = [
  'batch_too_large',
  'bad_extractor_reply',
  'deadline_exceeded',
  'detector_unavailable',
  'overloaded',
];

/** Makes the client of the detector Worker. */
export function graphExtractor({
  binding,
  graphs,
  worker = neighbour({ name: 'the detector Worker' }),
  patienceMs = 0,
}: GraphExtractorOptions): ExtractorClient {
  const questionOf = (expected: ExpectedModel, deadlineAt: number): GraphQuestion => {
    const { name, stage, modelDigest, noiseKeyId, planDigest } = expected;
    const graph = graphs.get(name)?.[stage ?? 0];
    if (graph === undefined) {
      const missing = stage === undefined ? 'no graph' : `no graph of stage ${stage}`;
      throw new GuardError('detector_unavailable', `the configuration names ${missing} of this model`);
    }
    return { graph, expected: { modelDigest, noiseKeyId, planDigest }, deadlineAt };
  };
  return {
    async extract(call) {
      const { expected, inputs, shape, selections, deadlineAt } = call;
      const question = questionOf(expected, deadlineAt);
      const message = { ...question, inputs, shape, ...packedNoise(selections) };
      const attempt = () => tryDetector(() => binding.extract(message), { deadlineAt, patienceMs });
      const answer = await worker.ask(attempt, deadlineAt);
      requireHeld(answer, question);
      return readOutputs(answer, call);
    },
    async checkServes(expected, deadlineAt) {
      const question = questionOf(expected, deadlineAt);
      const ended = await tryDetector(() => binding.describe(question), { deadlineAt, patienceMs });
      if ('error' in ended) throw ended.error;
      requireHeld(ended.answer, question);
    },
  };
}

/** The noise of all rows, as a call between Workers carries it. */
function packedNoise(selections: readonly Pick<RowSelection, 'rows' | 'signs'>[]) {
  return {
    noiseRows: Int32Array.from(selections.flatMap(({ rows }) => rows)),
    noiseSigns: Float32Array.from(selections.flatMap(({ signs }) => signs)),
  };
}

/** One call within its deadline, as a value. */
async function tryDetector<T>(
  ask: () => Promise<GraphAnswer<T>>,
  { deadlineAt, patienceMs }: { readonly deadlineAt: number; readonly patienceMs: number },
): Promise<Attempt<T>> {
  const remainingMs = deadlineAt - Date.now();
  const late: CallOutcome = remainingMs >= patienceMs ? 'failed' : 'unknown';
  if (remainingMs <= 0) {
    const error = new GuardError('deadline_exceeded', 'no time was left for the extraction');
    return { outcome: 'unknown', error, retry: false };
  }
  const { promise: timeout, resolve } = Promise.withResolvers<'timeout'>();
  const timer = setTimeout(() => resolve('timeout'), remainingMs);
  const asked = ask();
  // What comes too late has nobody left to hear it.
  asked.catch(() => undefined);
  try {
    const ended = await Promise.race([asked, timeout]);
    if (ended === 'timeout') {
      const error = new GuardError('deadline_exceeded', 'the extraction took longer than the guard may');
      return { outcome: late, error, retry: false };
    }
    return 'refusal' in ended ? refused(ended.refusal, late) : { outcome: 'answered', answer: ended.answer };
  } catch (cause) {
    // An extraction changes nothing: whatever became of the first one, it may be asked for again.
    const error = new GuardError('extractor_unreachable', 'the detector Worker cannot be reached', { cause });
    return { outcome: 'failed', error, retry: true };
  } finally {
    clearTimeout(timer);
  }
}

function refused(
  { code, detail }: { readonly code: ErrorCode; readonly detail: string },
  late: CallOutcome,
): Attempt<never> {
  if (!refusalCodes.includes(code)) {
    const error = badAnswer(`it refused with ${code}: ${detail}`);
    return { outcome: 'failed', error, retry: false };
  }
  const options = code === 'overloaded' ? { retryAfterSeconds: 1 } : {};
  const error = new GuardError(code, detail, options);
  if (code === 'deadline_exceeded') return { outcome: late, error, retry: false };
  return { outcome: code === 'bad_extractor_reply' ? 'failed' : 'answered', error, retry: false };
}

/** @throws GuardError where it is not the graph that was asked for, or not of what the detector was made for */
function requireHeld(held: HeldGraph, { graph, expected }: GraphQuestion): void {
  if (held.compiledDigest !== graph.digest) throw badAnswer('it ran another graph than it was asked to');
  requireIdentity(held, expected, 'the detector Worker');
}

function readOutputs(answer: GraphOutputs, call: ExtractionCall): Extraction {
  const { runs, classes, changeColumns: columns } = call;
  const rows = call.selections.length;
  const logits = finiteFloats(answer.logits, rows * runs * classes, 'logits');
  const { compiledDigest } = answer;
  if (columns.length === 0) return { logits, changes: undefined, compiledDigest };
  const changes = finiteFloats(answer.changes, rows * columns.length, 'changes');
  if (hasNegativeMean(changes, columns)) throw badAnswer('its changes are less than none');
  return { logits, changes, compiledDigest };
}

function finiteFloats(values: Float32Array | undefined, length: number, name: string): Float32Array {
  if (!(values instanceof Float32Array) || values.length !== length) {
    throw badAnswer(`its ${name} are not ${length} numbers`);
  }
  if (!values.every(Number.isFinite)) throw badAnswer(`its ${name} are not all finite`);
  return values;
}

function badAnswer(detail: string): GuardError {
  return new GuardError('bad_extractor_reply', `the detector Worker: ${detail}`);
}
