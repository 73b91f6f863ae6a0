// A server's life: load the models, listen, and on a signal finish what runs and end.
import { once } from 'node:events';
import type { Server } from 'node:http';
import { totalmem } from 'node:os';
import { createAdaptorServer } from '@hono/node-server';
import { asGuardError, GuardError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { createOipApp } from './app.ts';
import type { GpuWorkerConfig } from './config.ts';
import { createEngine } from './engine/create-engine.ts';
import type { Engine } from './engine/engine.ts';
import { ResidentModels } from './resident-models.ts';
import type { ServedModel } from './served-model.ts';
import { stopRequest } from './stop-request.ts';

/** What a server is made of. */
export interface ServerOptions extends Omit<GpuWorkerConfig, 'modelFolder'> {
  /** Name and version, as `GET /v2` says them. */
  readonly name: string;
  readonly version: string;
  /** Loads what is served: files by the second, so that all stay within the memory that they may take together. */
  readonly loadModels: (engine: Engine, resident: ResidentModels) => Promise<readonly ServedModel[]>;
}

/** How often idle connections are closed while the server drains. */
const closeIdleEveryMs = 50;
/** workerd keeps an idle connection for five seconds, most others for up to a minute. */
const keepAliveMs = 65_000;

/**
 * Serves until SIGTERM, SIGINT or the end of the parent process, and exits the process: 0 after a complete drain, 1 where
 * the server could not start or had to cut requests off.
 */
export async function runServer(options: ServerOptions): Promise<never> {
  const stop = stopRequest();
  try {
    const { engine, server, drain } = await startServer(options);
    const reason = await stop;
    log('info', 'server.draining', { name: options.name, reason });
    const complete = await drain();
    if (!complete) log('warn', 'server.cut_off', { name: options.name, drain_ms: options.drainMs });
    server.closeAllConnections();
    if (complete) await engine.close();
    process.exit(complete ? 0 : 1);
  } catch (thrown) {
    log('error', 'server.failed', { name: options.name, cause: asGuardError(thrown) });
    process.exit(1);
  }
}

async function startServer(options: ServerOptions) {
  const { name, version, host, port, token, deadlineMs, drainMs } = options;
  const engine = await createEngine({
    engine: options.engine,
    workers: options.workers,
    queueMax: options.queueMax,
    queueBytesMax: options.queueBytesMax,
    joinedRowsMax: options.joinedRowsMax,
    joinDelayMs: options.joinDelayMs,
    onPassedOver: (passedOver, reason) =>
      log('info', 'engine.passed_over', { engine: passedOver, reason: reason.message }),
  });
  const resident = new ResidentModels(engine, {
    bytesMax: options.memoryBytesMax ?? machineBytes() / 2,
    waitingRunsMax: options.queueMax,
    waitingBytesMax: options.queueBytesMax,
  });
  const models = await options.loadModels(engine, resident);
  let draining = false;
  const app = createOipApp({
    name,
    version,
    engine: engine.info,
    engineFigures: () => engine.figures(),
    residentFigures: () => resident.figures,
    models,
    token,
    deadlineMs,
    isReady: () => !draining,
  });
  const server = createAdaptorServer({ fetch: app.fetch, hostname: host }) as Server;
  // Longer than callers keep an idle connection: one that is closed just as it is used again fails a request for nothing.
  server.keepAliveTimeout = keepAliveMs;
  const url = await listen(server, { host, port });
  const served = models.map((model) => model.name);
  log('info', 'server.ready', { name, url, models: served, engine: engine.info, pid: process.pid });
  const drain = () => {
    draining = true;
    return closeWithin(server, drainMs);
  };
  return { engine, server, drain };
}

/** Memory of the machine, or of the container where that has less. */
function machineBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}

async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const detail = taken ? `port ${port} on ${host} is taken` : `cannot listen on ${host}:${port}`;
    throw new GuardError('invalid_config', detail, { cause });
  }
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
}

/** Stops accepting and waits for the running requests; false where `ms` was not enough. */
async function closeWithin(server: Server, ms: number): Promise<boolean> {
  const closed = Promise.withResolvers<boolean>();
  server.close(() => closed.resolve(true));
  // A connection that is kept alive turns idle only after its running request.
  const closing = setInterval(() => server.closeIdleConnections(), closeIdleEveryMs);
  const timer = setTimeout(() => closed.resolve(false), ms);
  const complete = await closed.promise;
  clearInterval(closing);
  clearTimeout(timer);
  return complete;
}
