// Asks the gpu-worker for the logits of inputs and their perturbed copies, and believes nothing of its answer unchecked.
import {
  type ChangeColumn,
  compiledTensors,
  digestSchema,
  extractionParameters,
} from '../../shared/contracts/extraction.ts';
import {
  headerLengthHeader,
  modelMetadataSchema,
  type Parameters,
} from '../../shared/contracts/inference.ts';
import { GuardError } from '../../shared/errors.ts';
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import { identityHash, namedIdentity } from '../../shared/noise/graph-identity.ts';
import type { RowSelection } from '../../shared/noise/select-rows.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import type { FetcherBinding } from '../bindings.ts';
import {
  askWorker,
  badReply,
  floatOutput,
  folderUrl,
  parseReply,
  tryWorker,
  type WorkerAnswer,
} from './ask-gpu-worker.ts';
import { hasNegativeMean } from './negative-means.ts';
import { type Neighbour, neighbour } from './neighbour.ts';
import { noiseTensors } from './noise-tensors.ts';
import { requireIdentity } from './require-identity.ts';
import { sendTrace, type TraceContext } from './trace-context.ts';

/** What must be run for its numbers to mean anything to the detector. */
export interface ExpectedModel {
  readonly name: string;
  /** Which stage of a sequential test it is of, from 0; the graph of the whole plan has none. */
  readonly stage?: number;
  /** Version of the graph where it runs a part of a plan: see `partVersion`; the graph of the whole plan has none. */
  readonly version?: string;
  readonly modelDigest: string;
  readonly noiseKeyId: string;
  /** Digest of the detector's plan. */
  readonly planDigest: string;
}

/** One batch to extract. */
export interface ExtractionCall {
  readonly expected: ExpectedModel;
  /** Row-major [rows, ...input shape]. */
  readonly inputs: Float32Array;
  /** [rows, ...input shape]. */
  readonly shape: readonly number[];
  /** One a row, each of N rows and signs; of none where the plan has no noise. */
  readonly selections: readonly RowSelection[];
  /** Rows of logits that the graph gives of an input: itself and all copies, or those of a part of the plan. */
  readonly runs: number;
  readonly classes: number;
  /** Columns of the changes that a plan with taps answers too. */
  readonly changeColumns: readonly Pick<ChangeColumn, 'quantity'>[];
  /** Instant of `Date.now()` after which an answer is of no use. */
  readonly deadlineAt: number;
  readonly trace: TraceContext;
}

/** What was extracted. */
export interface Extraction {
  /** Row-major [rows, runs, classes], finite. */
  readonly logits: Float32Array;
  /** Row-major [rows, changeColumns], finite; undefined where there are no columns. */
  readonly changes: Float32Array | undefined;
  readonly compiledDigest: string;
}

/** Whoever runs compiled graphs, as the guard sees it: a gpu-worker, or the detector Worker. */
export interface ExtractorClient {
  /**
   * @throws GuardError `extractor_unreachable`, `extractor_unauthorized`, `overloaded`, `deadline_exceeded`,
   *   `bad_extractor_reply`, or `detector_unavailable` where another model, noise key or plan answered
   */
  extract(call: ExtractionCall): Promise<Extraction>;
  /** Resolves where exactly this model is served; throws as `extract` does. */
  checkServes(expected: ExpectedModel, deadlineAt: number): Promise<void>;
}

/** Which gpu-worker, with which credentials, and how its failures are borne. */
export interface ExtractorOptions {
  readonly url: URL;
  readonly token: string;
  /** What is asked in place of the network. */
  readonly fetcher?: FetcherBinding | undefined;
  /** Its circuit breaker and its retries, for extractions; a readiness check asks past them. */
  readonly worker?: Neighbour;
  /** See `WorkerCall`. */
  readonly patienceMs?: number;
}

/** Makes the client of one gpu-worker. */
export function extractorClient({
  url,
  token,
  fetcher,
  worker = neighbour({ name: 'the gpu-worker' }),
  patienceMs = 0,
}: ExtractorOptions): ExtractorClient {
  const authorization = `Bearer ${token}`;
  const modelUrl = ({ name, version }: ExpectedModel) => {
    const part = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
    return new URL(`v2/models/${encodeURIComponent(name)}${part}`, folderUrl(url));
  };
  return {
    async extract(call) {
      const { deadlineAt, inputs, shape, selections } = call;
      const input: NamedTensor = { name: compiledTensors.input, datatype: 'FP32', shape, data: inputs };
      const attempt = () => {
        // The unit of Triton's own parameter is microseconds. A later try has less time.
        const timeout = Math.max(1, deadlineAt - Date.now()) * 1000;
        const message = writeBinaryRequest([input, ...noiseTensors(selections)], { timeout });
        const headers = { ...message.headers, ...sendTrace(call.trace), authorization };
        const init = { method: 'POST', headers, body: message.body };
        return tryWorker(`${modelUrl(call.expected)}/infer`, { deadlineAt, patienceMs, init, fetcher });
      };
      const answer = await worker.ask(attempt, deadlineAt);
      return readExtraction(answer, call);
    },
    async checkServes(expected, deadlineAt) {
      const init = { headers: { authorization } };
      await askWorker(`${modelUrl(expected)}/ready`, { deadlineAt, init, fetcher });
      const answer = await askWorker(modelUrl(expected).href, { deadlineAt, init, fetcher });
      const metadata = modelMetadataSchema.safeParse(parseReply(() => parseJson(answer.bytes)));
      if (!metadata.success) throw badReply('its model metadata is not that of the protocol');
      await checkIdentity(metadata.data, expected);
    },
  };
}

async function readExtraction({ bytes, headers }: WorkerAnswer, call: ExtractionCall): Promise<Extraction> {
  const headerLength = headers.get(headerLengthHeader);
  const rows = call.selections.length;
  const elementsMax = rows * Math.max(call.runs * call.classes, call.changeColumns.length);
  const reply = parseReply(() => readResponse({ bytes, headerLength }, elementsMax));
  if (reply.model_name !== call.expected.name) throw badReply('another model answered');
  const compiledDigest = await checkIdentity(reply, call.expected);
  const logits = floatOutput(reply.outputs, compiledTensors.logits, [rows, call.runs, call.classes]);
  return { logits, changes: readChanges(reply.outputs, call), compiledDigest };
}

function readChanges(
  outputs: readonly NamedTensor[],
  { selections, changeColumns: columns }: ExtractionCall,
): Float32Array | undefined {
  if (columns.length === 0) return undefined;
  const changes = floatOutput(outputs, compiledTensors.changes, [selections.length, columns.length]);
  if (hasNegativeMean(changes, columns)) throw badReply('its changes are less than none');
  return changes;
}

/** Compares what the gpu-worker says of itself with what the detector was made for; gives the compiled model's digest. */
async function checkIdentity(
  {
    parameters = {},
    outputs,
  }: { parameters?: Parameters | undefined; outputs: readonly { readonly name: string }[] },
  expected: ExpectedModel,
): Promise<string> {
  const named = namedIdentity(outputs);
  if (named !== undefined) {
    if (named.hash === (await identityHash(expected))) return named.compiledDigest;
    throw new GuardError(
      'detector_unavailable',
      'the graph that runs is of another model, noise key or plan than the detector was made for',
    );
  }
  const modelDigest = parameters[extractionParameters.modelDigest];
  const noiseKeyId = parameters[extractionParameters.noiseKeyId];
  const planDigest = parameters[extractionParameters.planDigest];
  const compiledDigest = digestSchema.safeParse(parameters[extractionParameters.compiledDigest]);
  const isSilent = [modelDigest, noiseKeyId, planDigest].some((said) => said === undefined);
  if (isSilent || !compiledDigest.success) {
    throw badReply('it does not say which model it runs');
  }
  const said = {
    modelDigest: String(modelDigest),
    noiseKeyId: String(noiseKeyId),
    planDigest: String(planDigest),
  };
  requireIdentity(said, expected, 'the gpu-worker');
  return compiledDigest.data;
}
