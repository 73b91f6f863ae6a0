// The same request again and again over several connections, with as little work between as there can be: what is measured is the server.
import { connect, type Socket } from 'node:net';

/** What is sent, and how long. */
export interface RawLoadOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly connections: number;
  readonly ms: number;
}

/** What came of it. */
export interface RawLoad {
  readonly answers: number;
  /** Answers with another status than 200. */
  readonly failed: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Milliseconds, ascending. */
  readonly latencies: Float64Array;
}

/** Sends until the time is over and every request is answered. */
export async function rawHttpLoad({ url, headers, body, connections, ms }: RawLoadOptions): Promise<RawLoad> {
  const { hostname, port, pathname, host } = new URL(url);
  const lines = Object.entries({ ...headers, host, 'content-length': body.length }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const request = Buffer.concat([
    Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`),
    body,
  ]);
  const latencies: number[] = [];
  let failed = 0;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      try {
        await converse(socket, request, (status, took) => {
          latencies.push(took);
          if (status !== 200) failed++;
          return performance.now() - startedAt < ms;
        });
      } finally {
        socket.destroy();
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  return { answers: latencies.length, failed, seconds, latencies: Float64Array.from(latencies).sort() };
}

/** Sends a request whenever the last was answered, as long as `answered` says so. */
function converse(
  socket: Socket,
  request: Buffer,
  answered: (status: number, ms: number) => boolean,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let received: Buffer = Buffer.alloc(0);
  let sentAt = performance.now();
  socket.on('connect', () => socket.write(request));
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the server closed the connection')));
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = received.toString('latin1', 0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (!(received.length >= end + 4 + length)) return;
    received = Buffer.alloc(0);
    const now = performance.now();
    if (!answered(Number(head.slice(9, 12)), now - sentAt)) {
      resolve();
      return;
    }
    sentAt = now;
    socket.write(request);
  });
  return promise;
}
