// Asks the gpu-worker for the vectors of training examples: which graph it has for that, and what the graph says of some examples.
import { z } from 'zod';
import { compiledTensors, digestSchema, extractionParameters } from '../../shared/contracts/extraction.ts';
import {
  headerLengthHeader,
  type ModelMetadata,
  modelMetadataSchema,
  type Parameters,
} from '../../shared/contracts/inference.ts';
import { screeningModes, screeningVersion } from '../../shared/contracts/screening.ts';
import { GuardError } from '../../shared/errors.ts';
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import type { RowSelection } from '../../shared/noise/select-rows.ts';
import type { ByteTensor } from '../../shared/oip/byte-elements.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import type { ImageShape } from '../../shared/uploads/upload.ts';
import { askWorker, badReply, floatOutput, folderUrl, parseReply } from './ask-gpu-worker.ts';
import type { ExtractorOptions } from './extractor-client.ts';
import { noiseTensors } from './noise-tensors.ts';

/** The graph for screening a model, settled once a job: another one would give other vectors. */
export const screeningGraphSchema = z.strictObject({
  model: z.string(),
  mode: z.enum(screeningModes),
  modelDigest: digestSchema,
  compiledDigest: digestSchema,
  noiseKeyId: z.string(),
  planDigest: digestSchema,
  inputShape: z.tuple([z.int().positive(), z.int().positive(), z.int().positive()]),
  /** Lowest and highest valid value of the input; of jobs that began before it was asked for there is none. */
  inputRange: z.tuple([z.number(), z.number()]).optional(),
  classes: z.int().positive(),
  /** Numbers of a vector. */
  neurons: z.int().positive(),
  /** Neurons of the layer that they are projections of; absent where they are the layer's own. */
  projectedFrom: z.int().positive().optional(),
  /** Rows of logits that it gives of an example: of itself, then of its copies. */
  runs: z.int().positive(),
});
export type ScreeningGraph = z.infer<typeof screeningGraphSchema>;

/** Some examples to extract. */
export interface ScreeningCall {
  readonly graph: ScreeningGraph;
  /** [rows, channels, height, width] as FP32 or UINT8, or [rows] image files as BYTES. */
  readonly examples: Pick<NamedTensor, 'datatype' | 'shape' | 'data'> | Omit<ByteTensor, 'name'>;
  /** Row of the first of them in the data set. */
  readonly firstRow: number;
  /** One an example; of no rows where the mode has no noise. */
  readonly selections: readonly Pick<RowSelection, 'rows' | 'signs'>[];
  /** Instant of `Date.now()` after which an answer is of no use. */
  readonly deadlineAt: number;
}

/** What was extracted. */
export interface ExtractedVectors {
  /** Row-major [rows, classes], of the examples themselves, finite. */
  readonly logits: Float32Array;
  /** Row-major [rows, neurons], finite. */
  readonly vectors: Float32Array;
}

/** The gpu-worker as a screening sees it. */
export interface ScreeningExtractor {
  /** @throws GuardError `unknown_model` where the model is not compiled for screening; else as `askWorker` does */
  describe(model: string, deadlineAt: number): Promise<ScreeningGraph>;
  /** @throws GuardError `conflict` where another graph answers; `invalid_dataset` where an example is refused; else as `askWorker` does */
  extract(call: ScreeningCall): Promise<ExtractedVectors>;
}

/** Makes the client of one gpu-worker. */
export function screeningExtractor({
  url,
  token,
  fetcher,
}: Pick<ExtractorOptions, 'url' | 'token' | 'fetcher'>): ScreeningExtractor {
  const authorization = `Bearer ${token}`;
  const modelUrl = (model: string) =>
    new URL(`v2/models/${encodeURIComponent(model)}/versions/${screeningVersion}`, folderUrl(url)).href;
  return {
    async describe(model, deadlineAt) {
      const init = { headers: { authorization } };
      const answer = await askWorker(modelUrl(model), { deadlineAt, init, fetcher }).catch(
        (cause: unknown) => {
          if (!(cause instanceof GuardError) || cause.code !== 'detector_unavailable') throw cause;
          const detail = `the gpu-worker does not serve ${model} for screening: see model compile --screening`;
          throw new GuardError('unknown_model', detail, { cause });
        },
      );
      const metadata = modelMetadataSchema.safeParse(parseReply(() => parseJson(answer.bytes)));
      if (!metadata.success) throw badReply('its model metadata is not that of the protocol');
      return graphOf(metadata.data);
    },

    async extract(call) {
      const { graph, examples, firstRow, selections, deadlineAt } = call;
      const timeout = Math.max(1, deadlineAt - Date.now()) * 1000;
      const input = { name: compiledTensors.input, ...examples };
      const message = writeBinaryRequest([input, ...noiseTensors(selections)], { timeout });
      const headers = { ...message.headers, authorization };
      const init = { method: 'POST', headers, body: message.body };
      const refusals = { 422: 'invalid_dataset' } as const;
      const asked = askWorker(`${modelUrl(graph.model)}/infer`, { deadlineAt, init, fetcher, refusals });
      const answer = await asked.catch((cause: unknown) => {
        throw inDataSet(cause, firstRow);
      });
      const headerLength = answer.headers.get(headerLengthHeader);
      const [rows] = examples.shape;
      const { runs, classes, neurons } = graph;
      const elementsMax = rows * Math.max(runs * classes, neurons);
      const reply = parseReply(() => readResponse({ bytes: answer.bytes, headerLength }, elementsMax));
      requireSame(reply.parameters, graph);
      const all = floatOutput(reply.outputs, compiledTensors.logits, [rows, runs, classes]);
      const vectors = floatOutput(reply.outputs, compiledTensors.changes, [rows, neurons]);
      return { logits: ownLogits(all, graph), vectors };
    },
  };
}

/** Says of a refused example which row of the data set it is: the gpu-worker counts within the request. */
function inDataSet(cause: unknown, firstRow: number): unknown {
  if (!(cause instanceof GuardError) || cause.code !== 'invalid_dataset') return cause;
  const place = /^\/inputs\/\d+\/(\d+)$/.exec(cause.places[0]?.pointer ?? '')?.[1];
  if (place === undefined) return cause;
  const detail = cause.message.replace(`example ${place} `, `example ${firstRow + Number(place)} `);
  return new GuardError('invalid_dataset', detail, { cause });
}

/** The logits of the examples themselves, which stand before those of their copies. */
function ownLogits(all: Float32Array, { runs, classes }: ScreeningGraph): Float32Array {
  if (runs === 1) return all;
  const own = new Float32Array(all.length / runs);
  for (let row = 0; row * classes < own.length; row++) {
    const start = row * runs * classes;
    own.set(all.subarray(start, start + classes), row * classes);
  }
  return own;
}

/** @throws GuardError `bad_extractor_reply` where it is no graph for screening images */
function graphOf({ name, inputs, outputs, parameters = {} }: ModelMetadata): ScreeningGraph {
  const shapeOf = (tensors: ModelMetadata['inputs'], wanted: string) =>
    tensors.find((tensor) => tensor.name === wanted)?.shape ?? [];
  const inputShape = shapeOf(inputs, compiledTensors.input).slice(1);
  if (inputShape.length !== 3) {
    throw new GuardError('invalid_model', `${name} does not read images [channels, height, width]`);
  }
  const [, runs, classes] = shapeOf(outputs, compiledTensors.logits);
  const [, neurons] = shapeOf(outputs, compiledTensors.changes);
  const graph = screeningGraphSchema.safeParse({
    model: name,
    ...identityOf(parameters),
    mode: parameters[extractionParameters.screening],
    inputShape: inputShape as unknown as ImageShape,
    inputRange: rangeOf(parameters),
    classes,
    neurons,
    projectedFrom: parameters[extractionParameters.projectedFrom],
    runs,
  });
  if (graph.success) return graph.data;
  const [{ path }] = graph.error.issues;
  throw badReply(`the graph for screening has no usable ${path.join('.')}`);
}

function rangeOf(parameters: Parameters): [low: unknown, high: unknown] | undefined {
  const { [extractionParameters.inputLow]: low, [extractionParameters.inputHigh]: high } = parameters;
  return low === undefined && high === undefined ? undefined : [low, high];
}

function identityOf(parameters: Parameters) {
  return {
    modelDigest: parameters[extractionParameters.modelDigest],
    compiledDigest: parameters[extractionParameters.compiledDigest],
    noiseKeyId: parameters[extractionParameters.noiseKeyId],
    planDigest: parameters[extractionParameters.planDigest],
  };
}

/** Vectors of two graphs must not get into one screening. */
function requireSame(parameters: Parameters, graph: ScreeningGraph): void {
  const said = identityOf(parameters);
  const other = (Object.keys(said) as (keyof typeof said)[]).find((key) => said[key] !== graph[key]);
  if (other === undefined) return;
  throw new GuardError(
    'conflict',
    'the gpu-worker serves another graph for screening than when the job began',
  );
}
