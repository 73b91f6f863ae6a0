// The gpu-worker's HTTP interface: an Open Inference Protocol v2 server over models in memory.
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { type RequestIdVariables, requestId } from 'hono/request-id';
import type { z } from 'zod';
import { extractionParameters } from '../shared/contracts/extraction.ts';
import {
  headerLengthHeader,
  type ModelMetadata,
  type serverMetadataSchema,
} from '../shared/contracts/inference.ts';
import { asGuardError, GuardError } from '../shared/errors.ts';
import { extractionBytesMax } from '../shared/limits.ts';
import { log } from '../shared/log.ts';
import { problemResponse } from '../shared/problem-response.ts';
import { answerDecoding } from './answer-decoding.ts';
import { answerInference } from './answer-inference.ts';
import { bearerToken } from './bearer-token.ts';
import type { Engine, EngineInfo } from './engine/engine.ts';
import { type ServerMetrics, serverMetrics } from './metrics.ts';
import type { ResidentFigures } from './resident-models.ts';
import { type ServedModel, wholeVersion } from './served-model.ts';

/** What the server serves, and to whom. */
export interface OipAppOptions {
  /** Name and version of the server, as `GET /v2` says them. */
  readonly name: string;
  readonly version: string;
  readonly engine: EngineInfo;
  /** What the engine has to do and did, for the metrics. */
  readonly engineFigures?: Engine['figures'];
  /** What of the models is in memory, for the metrics. */
  readonly residentFigures?: () => ResidentFigures;
  readonly models: readonly ServedModel[];
  /** Required of every request but the health checks; undefined lets everyone in. */
  readonly token?: string | undefined;
  /** Longest that an inference may wait for a worker, in milliseconds. */
  readonly deadlineMs: number;
  /** Whether new requests are welcome; a server that drains says no. */
  readonly isReady?: () => boolean;
}

type AppContext = Context<{ Variables: RequestIdVariables }>;
type App = Hono<{ Variables: RequestIdVariables }>;

/** Makes the app; it keeps nothing between requests but its counters. */
export function createOipApp(options: OipAppOptions): App {
  const app: App = new Hono();
  const metrics = serverMetrics(options.engine, {
    engine: options.engineFigures,
    resident: options.residentFigures,
  });
  for (const { name, version, loaded } of options.models) {
    metrics.observeSelfCheck({ model: name, version, selfCheck: loaded.selfCheck });
  }
  app.use(requestId());
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed(context, methods) {
        const detail = `${context.req.path} takes ${methods.join(', ')}`;
        const answer = problem(context as AppContext, new GuardError('method_not_allowed', detail));
        answer.headers.set('allow', methods.join(', '));
        return answer;
      },
    }),
  );
  app.onError((thrown, context) => {
    const error = asGuardError(thrown);
    // Nobody reads the answer of a client that left, and its abort is no fault of ours.
    const abandoned = context.req.raw.signal.aborted;
    if (error.status === 500 && !abandoned) {
      log('error', 'request.failed', { request_id: context.get('requestId'), error });
    }
    return problem(context, error);
  });
  app.notFound((context) => problem(context, new GuardError('not_found', `there is no ${context.req.path}`)));
  addHealthRoutes(app, options);
  if (options.token !== undefined) app.use(bearerToken(options.token));
  addMetadataRoutes(app, options, metrics);
  addInferenceRoutes(app, options, metrics);
  return app;
}

/** Health needs no token: whoever probes a server knows nothing of its secrets. */
function addHealthRoutes(app: App, { isReady = () => true, models }: OipAppOptions): void {
  app.get('/v2/health/live', (context) => context.body(null));
  app.get('/v2/health/ready', (context) => {
    if (isReady() && models.length > 0) return context.body(null);
    throw new GuardError('overloaded', models.length === 0 ? 'no model is loaded' : 'the server is stopping');
  });
}

function addMetadataRoutes(app: App, options: OipAppOptions, metrics: ServerMetrics): void {
  const { name, version, engine, models } = options;
  app.get('/v2', (context) => {
    const extensions = ['binary_tensor_data', `engine:${engine.id}`, `device:${engine.device}`];
    const errors = models.flatMap(({ loaded }) => loaded.selfCheck?.relativeError ?? []);
    if (errors.length > 0) extensions.push(`self_check_error:${Math.max(...errors).toPrecision(2)}`);
    return context.json({ name, version, extensions } satisfies z.infer<typeof serverMetadataSchema>);
  });
  app.get('/metrics', async () => {
    const { text, contentType } = await metrics.expose();
    return new Response(text, { headers: { 'content-type': contentType } });
  });
  const metadata = (context: AppContext) => {
    const model = findModel(context, models);
    return context.json(modelMetadata(model, versionsOf(model, models)));
  };
  app.get('/v2/models/:model', metadata);
  app.get('/v2/models/:model/versions/:version', metadata);
  const ready = (context: AppContext) => {
    findModel(context, models);
    return context.body(null);
  };
  app.get('/v2/models/:model/ready', ready);
  app.get('/v2/models/:model/versions/:version/ready', ready);
}

const tooLarge = () => {
  throw new GuardError('body_too_large', `the limit is ${extractionBytesMax} bytes`);
};
const countBody = bodyLimit({ maxSize: extractionBytesMax, onError: tooLarge });

/**
 * Refuses bodies over the limit. One of declared length, which HTTP holds it to, is not looked at: asking for it as a stream
 * would keep the server from reading it straight into a buffer, which takes a fraction of the time.
 */
async function limitBody(context: AppContext, next: () => Promise<void>): Promise<Response | undefined> {
  const length = context.req.header('content-length');
  if (length === undefined || context.req.header('transfer-encoding') !== undefined) {
    return (await countBody(context, next)) ?? undefined;
  }
  if (Number(length) > extractionBytesMax) return tooLarge();
  await next();
}

function addInferenceRoutes(app: App, { models, deadlineMs }: OipAppOptions, metrics: ServerMetrics): void {
  const count = async (context: AppContext, next: () => Promise<void>) => {
    const startedAt = performance.now();
    await next();
    // Only names that are served become labels: a client must not be able to make new ones.
    const model = models.find(({ name }) => name === context.req.param('model'))?.name ?? 'unknown';
    const seconds = (performance.now() - startedAt) / 1_000;
    metrics.observeInference({ model, status: context.res.status, seconds });
  };
  const infer = async (context: AppContext) => {
    const receivedAt = performance.now();
    const model = findModel(context, models);
    requireOipBody(context);
    const body = {
      bytes: new Uint8Array(await context.req.arrayBuffer()),
      headerLength: context.req.header(headerLengthHeader),
    };
    const { signal } = context.req.raw;
    const answer = await answerInference(model, body, { receivedAt, deadlineMs, signal });
    return context.body(answer.body, 200, answer.headers);
  };
  app.post('/v2/models/:model/decode', limitBody, async (context) => {
    const model = findModel(context, models);
    requireIdentity(context);
    const { body, headers } = await answerDecoding(model, {
      contentType: context.req.header('content-type'),
      query: context.req.query(),
      bytes: new Uint8Array(await context.req.arrayBuffer()),
    });
    return context.body(body, 200, headers);
  });
  app.post('/v2/models/:model/infer', count, limitBody, infer);
  app.post('/v2/models/:model/versions/:version/infer', count, limitBody, infer);
}

function findModel(context: AppContext, models: readonly ServedModel[]): ServedModel {
  const { model: name = '', version } = context.req.param();
  const named = models.filter((served) => served.name === name);
  if (named.length === 0) {
    throw new GuardError('unknown_model', `no model ${JSON.stringify(name)} is served`);
  }
  const versions = versionsOf(named[0], models);
  // Who names no version means the whole model, and any part of it where there is nothing else to look at.
  const asked = version ?? (versions.includes(wholeVersion) ? wholeVersion : versions[0]);
  const model = named.find((served) => served.version === asked);
  if (model === undefined) {
    const said =
      versions.length === 1 ? `version ${versions[0]} only` : `the versions ${versions.join(', ')}`;
    throw new GuardError('unknown_model', `model ${name} has ${said}`);
  }
  return model;
}

/** Versions of the name of a model, sorted. */
function versionsOf({ name }: ServedModel, models: readonly ServedModel[]): string[] {
  return models.flatMap((served) => (served.name === name ? [served.version] : [])).sort();
}

function modelMetadata(
  { name, loaded, parameters }: ServedModel,
  versions: readonly string[],
): ModelMetadata {
  const describe = ({ name, datatype, shape }: (typeof loaded.inputs)[number]) => ({
    name,
    datatype,
    shape: [...shape],
  });
  const { selfCheck } = loaded;
  const described = {
    ...parameters,
    ...(selfCheck !== undefined && {
      [extractionParameters.engine]: selfCheck.engine,
      [extractionParameters.selfCheckError]: selfCheck.relativeError,
    }),
  };
  return {
    name,
    versions: [...versions],
    platform: selfCheck?.engine === 'tfjs' ? 'tensorflow_js' : 'onnxruntime_onnx',
    inputs: loaded.inputs.map(describe),
    outputs: loaded.outputs.map(describe),
    ...(Object.keys(described).length === 0 ? {} : { parameters: described }),
  };
}

/** Refuses bodies that are no message of the protocol before they are read. */
function requireOipBody(context: AppContext): void {
  requireIdentity(context);
  const type = context.req.header('content-type')?.split(';')[0].trim().toLowerCase();
  if (type !== undefined && type !== 'application/json' && type !== 'application/octet-stream') {
    throw new GuardError('unsupported_media_type', `${type} is neither JSON nor the binary extension`);
  }
}

function requireIdentity(context: AppContext): void {
  const encoding = context.req.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    throw new GuardError('unsupported_media_type', `content encoding ${encoding} is not supported`);
  }
}

function problem(context: AppContext, error: GuardError): Response {
  return problemResponse(error, { requestId: context.get('requestId') });
}
