// One inference: the request's bytes in, the answer's bytes out. All control flow of `POST …/infer` stands here.
import { compiledTensors } from '../shared/contracts/extraction.ts';
import type { Parameters } from '../shared/contracts/inference.ts';
import { GuardError } from '../shared/errors.ts';
import {
  batchRowsMax,
  extractionBytesMax,
  screeningDeadlineMsMax,
  shardExamplesMax,
} from '../shared/limits.ts';
import type { NamedTensor, Tensor } from '../shared/maths/tensor.ts';
import {
  type OipBody,
  type ReadRequest,
  readRequest,
  readRequestWithBytes,
} from '../shared/oip/read-message.ts';
import { type OipMessage, writeResponse } from '../shared/oip/write-message.ts';
import { checkFeeds } from './engine/check-feeds.ts';
import type { RunOptions } from './engine/engine.ts';
import { runParts } from './engine/run-parts.ts';
import { runRows } from './engine/run-rows.ts';
import { imageRows, type NamedRows } from './images/image-rows.ts';
import type { ServedModel } from './served-model.ts';

/** How long an inference may wait for a worker. */
export interface InferenceBounds {
  /** Instant of `performance.now()` at which the request came. */
  readonly receivedAt: number;
  /** Longest wait; the request's own `timeout` can only shorten it. */
  readonly deadlineMs: number;
  /** Aborted where the client is gone. */
  readonly signal: AbortSignal;
}

/** A requested output, with whether it is to follow the JSON as raw bytes. */
type RequestedOutputs = ReadonlyMap<string, { readonly binary: boolean }>;

/**
 * Answers an inference request.
 * @throws GuardError `malformed_request`, `invalid_input` or `batch_too_large` before anything is queued; what
 *   `LoadedModel.run` throws afterwards
 */
export async function answerInference(
  model: ServedModel,
  body: OipBody,
  { receivedAt, deadlineMs, signal }: InferenceBounds,
): Promise<OipMessage> {
  const request = await readInputs(body, model);
  const requested = requestedOutputs(request, model);
  // A screening waits for its turn as long as its caller likes: nobody sits at the other end.
  const waitMs = model.intake === undefined ? deadlineMs : screeningDeadlineMsMax;
  const deadlineAt = receivedAt + Math.min(waitMs, timeoutMs(request.parameters) ?? deadlineMs);
  const options = { outputs: [...requested.keys()], deadlineAt, signal };
  const results = await run(model, request.inputs, options);
  const outputs = options.outputs.map((name): NamedTensor => ({ name, ...results[name] }));
  const binary = (name: string) => requested.get(name)?.binary ?? false;
  for (const output of outputs) if (!binary(output.name)) requireFinite(output);
  const head = {
    model_name: model.name,
    model_version: model.version,
    ...(request.id === undefined ? {} : { id: request.id }),
    ...(Object.keys(model.parameters).length === 0 ? {} : { parameters: model.parameters }),
  };
  return writeResponse(head, outputs, binary);
}

/** The request, with the examples of a screening in whatever form they came. */
async function readInputs(
  body: OipBody,
  { intake }: ServedModel,
): Promise<ReadRequest<NamedTensor | NamedRows>> {
  if (intake === undefined) return readRequest(body, extractionBytesMax);
  const request = readRequestWithBytes(body, extractionBytesMax);
  const inputs = await Promise.all(
    request.inputs.map(async (tensor, index) => {
      // Of the others BYTES are not what the model takes, which is said where all inputs are compared with it.
      if (tensor.name !== compiledTensors.input) return tensor as NamedTensor;
      return imageRows(tensor, { ...intake, rowsMax: shardExamplesMax, where: `/inputs/${index}` });
    }),
  );
  return { ...request, inputs };
}

/** Checks the inputs and runs the model as it is to be run. */
async function run(
  { loaded, intake, rowByRow }: ServedModel,
  inputs: readonly (NamedTensor | NamedRows)[],
  options: RunOptions,
): Promise<Record<string, Tensor>> {
  const rowsMax = intake === undefined ? batchRowsMax : shardExamplesMax;
  const { feeds, rows } = checkFeeds(inputs, loaded.inputs, rowsMax);
  if (intake !== undefined && rows !== undefined) {
    const { partRows, inFlight } = intake;
    return runParts(loaded, feeds, { ...options, rows, partRows, inFlight });
  }
  // Only the intake of examples makes rows that are not there yet.
  const tensors = feeds as Readonly<Record<string, NamedTensor>>;
  return rowByRow && rows !== undefined
    ? runRows(loaded, tensors, { ...options, rows })
    : loaded.run(tensors, options);
}

/** Outputs in the order in which the answer lists them; all of the model's where the request names none. */
function requestedOutputs(
  { outputs, parameters }: Omit<ReadRequest, 'inputs'>,
  model: ServedModel,
): RequestedOutputs {
  const known = model.loaded.outputs.map(({ name }) => name);
  const binaryByDefault = flag(parameters, 'binary_data_output', '/parameters') ?? false;
  if (outputs === undefined || outputs.length === 0) {
    return new Map(known.map((name) => [name, { binary: binaryByDefault }]));
  }
  const requested = new Map<string, { binary: boolean }>();
  for (const [index, { name, parameters: wishes = {} }] of outputs.entries()) {
    const where = `/outputs/${index}`;
    if (!known.includes(name)) {
      throw fault(
        'invalid_input',
        `${where}/name`,
        `the model has no output ${name}; it has ${known.join(', ')}`,
      );
    }
    if (requested.has(name)) throw fault('malformed_request', where, `output ${name} is asked for twice`);
    // Others, such as `classification`, would change what the answer means: refused rather than passed over.
    const unknown = Object.keys(wishes).find((wish) => wish !== 'binary_data');
    if (unknown !== undefined) {
      throw fault('invalid_input', `${where}/parameters`, `parameter ${unknown} is not supported`);
    }
    requested.set(name, { binary: flag(wishes, 'binary_data', `${where}/parameters`) ?? binaryByDefault });
  }
  return requested;
}

/** The parameter `timeout` of the protocol, which counts microseconds. */
function timeoutMs({ timeout }: Parameters): number | undefined {
  if (timeout === undefined) return undefined;
  if (typeof timeout === 'number' && timeout > 0) return timeout / 1_000;
  throw fault('malformed_request', '/parameters/timeout', 'timeout is a positive number of microseconds');
}

function flag(parameters: Parameters, name: string, where: string): boolean | undefined {
  const value = parameters[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw fault('malformed_request', `${where}/${name}`, `${name} is true or false`);
}

/** JSON has no NaN and no infinity; `null` in their place would be read as something else by every client. */
function requireFinite({ name, data }: NamedTensor): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array || data.every(Number.isFinite)) return;
  throw fault(
    'invalid_input',
    `/outputs/${name}`,
    'the input gives values that JSON cannot hold; ask for binary_data',
  );
}

function fault(code: 'malformed_request' | 'invalid_input', pointer: string, detail: string): GuardError {
  return new GuardError(code, `${pointer}: ${detail}`, { places: [{ pointer, detail }] });
}
