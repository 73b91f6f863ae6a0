// A plain HTTP balancer: requests in turn to the servers that are well, as any load balancer before several gpu-workers has it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A running balancer. */
export interface HttpBalancer {
  readonly url: string;
  /** Requests that each server answered, in the order of the addresses. */
  readonly answered: readonly number[];
  /** Which servers requests are sent to now. */
  well(): readonly boolean[];
  stop(): Promise<void>;
}

interface Target {
  readonly address: URL;
  isWell: boolean;
  answered: number;
}

/**
 * Starts one.
 * @param urls servers; each is asked for `/v2/health/ready` all the time, and taken out at once where a request to it fails
 * @param checkEveryMs between two health checks
 */
export async function startHttpBalancer(urls: readonly string[], checkEveryMs = 100): Promise<HttpBalancer> {
  const targets = urls.map((url): Target => ({ address: new URL(url), isWell: true, answered: 0 }));
  let turn = 0;
  const server = createServer((received, answer) => {
    const well = targets.filter(({ isWell }) => isWell);
    const target = well[turn++ % Math.max(1, well.length)];
    if (target === undefined) answer.writeHead(502).end();
    else pass(received, answer, target);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const checking = setInterval(() => targets.forEach(check), checkEveryMs);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get answered() {
      return targets.map(({ answered }) => answered);
    },
    well: () => targets.map(({ isWell }) => isWell),
    async stop() {
      clearInterval(checking);
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Passes a request on, and says 502 where the server does not answer it to its end. */
function pass(received: IncomingMessage, answer: ServerResponse, target: Target): void {
  const { method, headers, url: path } = received;
  const sent = request(new URL(path ?? '/', target.address), { method, headers, agent: false }, (reply) => {
    const parts: Buffer[] = [];
    reply.on('data', (part: Buffer) => parts.push(part));
    reply.on('error', fail);
    reply.on('end', () => {
      target.answered++;
      answer.writeHead(reply.statusCode ?? 502, reply.headers).end(Buffer.concat(parts));
    });
  });
  function fail(): void {
    target.isWell = false;
    if (!answer.headersSent) answer.writeHead(502).end();
  }
  sent.on('error', fail);
  received.pipe(sent);
}

function check(target: Target): void {
  const asked = request(
    new URL('/v2/health/ready', target.address),
    { agent: false, timeout: 2_000 },
    (reply) => {
      target.isWell = reply.statusCode === 200;
      reply.resume();
    },
  );
  asked.on('timeout', () => asked.destroy());
  asked.on('error', () => {
    target.isWell = false;
  });
  asked.end();
}
