// What the upstream is sent of a client's headers, where no HTTP server of the edge has filtered them before.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { receiveTrace } from '../../../edge/clients/trace-context.ts';
import { upstreamClient } from '../../../edge/clients/upstream-client.ts';
import { type FixtureServer, startFixtureServer } from '../../helpers/fixture-server.ts';

let upstream: FixtureServer;
beforeAll(async () => {
  upstream = await startFixtureServer((_request, response) => void response.end('{}'));
});
afterAll(() => upstream.die());

it('keeps the headers by which a body is read, whatever the connection header names', async () => {
  const client = upstreamClient({
    url: new URL(upstream.url),
    token: undefined,
    passCredentials: false,
    timeoutMs: 2_000,
  });
  const headers = new Headers({
    connection: 'Content-Type, inference-header-content-length, content-length, content-encoding, x-hop',
    'content-type': 'application/octet-stream',
    'inference-header-content-length': '2',
    'content-encoding': 'identity',
    'x-hop': 'this connection only',
  });
  const body = new TextEncoder().encode('{}');
  const answer = await client.forward({
    method: 'POST',
    path: 'v2',
    search: '',
    headers,
    body,
    requestId: 'r',
    trace: receiveTrace(headers),
  });
  expect(answer.status).toBe(200);
  const [received] = upstream.received;
  expect(received.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'inference-header-content-length': '2',
    'content-encoding': 'identity',
    'content-length': '2',
  });
  expect(received.headers['x-hop']).toBeUndefined();
});
