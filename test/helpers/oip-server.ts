// The gpu-worker's own app behind a real HTTP server on loopback: a gpu-worker, or a protected model's server.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { createOipApp } from '../../gpu-worker/app.ts';
import type { Engine } from '../../gpu-worker/engine/engine.ts';
import type { ServedModel } from '../../gpu-worker/served-model.ts';

/** What it serves, and how. */
export interface OipServerOptions {
  readonly engine: Engine;
  readonly models: readonly ServedModel[];
  /** Asks for none where it is not given. */
  readonly token?: string | undefined;
  readonly deadlineMs: number;
  /** Is given each request before it is answered; the answer waits for it. */
  readonly onRequest?: (request: Request) => Promise<void>;
}

/** A running server. */
export interface OipServer {
  readonly url: string;
  /** Closes the port and every connection; the engine stays. */
  stop(): void;
}

/** Starts it on a port that the system chooses. */
export async function startOipServer({
  engine,
  models,
  token,
  deadlineMs,
  onRequest,
}: OipServerOptions): Promise<OipServer> {
  const name = token === undefined ? 'upstream' : 'gpu-worker';
  const app = createOipApp({ name, version: '0', engine: engine.info, models, token, deadlineMs });
  const server = createAdaptorServer({
    fetch: async (request: Request) => {
      await onRequest?.(request);
      return app.fetch(request);
    },
  }) as Server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
