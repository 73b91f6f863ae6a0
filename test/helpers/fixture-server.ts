// A real HTTP server on loopback whose behaviour a test can change, and which can die and come back.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request with its body read. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Answers a request, or breaks off. */
export type Behaviour = (request: ReceivedRequest, response: ServerResponse) => void;

/** A running fixture. */
export interface FixtureServer {
  readonly url: string;
  /** Everything that came in, oldest first. */
  readonly received: ReceivedRequest[];
  /** What the next requests get. */
  behaviour: Behaviour;
  /** Closes the port and every connection. */
  die(): Promise<void>;
  /** Listens again on the same port. */
  revive(): Promise<void>;
}

/** Starts a fixture. */
export async function startFixtureServer(behaviour: Behaviour): Promise<FixtureServer> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const received = { method, path: url, headers, body: Buffer.concat(chunks) };
      fixture.received.push(received);
      fixture.behaviour(received, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const fixture: FixtureServer = {
    url: `http://127.0.0.1:${port}`,
    received: [],
    behaviour,
    async die() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
    async revive() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  };
  return fixture;
}
