// Requests whose headers and bytes disagree on where the body ends: what is forwarded is what was scored, or nothing.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiToken, guardedEdge, jsonBody, resetFixtures } from '../helpers/guarded-edge.ts';
import { rawRequest } from '../helpers/raw-request.ts';

const guarded = guardedEdge();
// The first verdict loads the detector, which takes longer than a raw socket is kept open for.
beforeAll(async () => {
  await guarded.infer('enforce');
});
beforeEach(() => resetFixtures(guarded));

describe('a request whose framing lies', () => {
  const head = (lines: readonly string[]) =>
    [
      'POST /v2/models/enforce/infer HTTP/1.1',
      'host: edge',
      `authorization: Bearer ${apiToken}`,
      'content-type: application/json',
      ...lines,
      '',
      '',
    ].join('\r\n');

  it('is read no further than its content-length, and the rest is no second request that is forwarded', async () => {
    const answer = await rawRequest(guarded.edge.url, `${head(['content-length: 10'])}${jsonBody()}`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).not.toContain('HTTP/1.1 200');
    expect(guarded.upstream.received).toEqual([]);
  });

  it('is read by its chunks where it has a content-length too, and forwarded as what was scored', async () => {
    const body = jsonBody();
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const smuggled = head(['connection: close', 'content-length: 2', 'transfer-encoding: chunked']);
    await rawRequest(guarded.edge.url, `${smuggled}${chunk}`, 2_000);
    expect(guarded.upstream.received.map((request) => request.body.toString())).toEqual([body]);
  });

  it('is not forwarded where its body ends early', async () => {
    const answer = await rawRequest(guarded.edge.url, `${head(['content-length: 5000'])}${jsonBody()}`, 300);
    expect(answer).not.toContain('HTTP/1.1 200');
    expect(guarded.upstream.received).toEqual([]);
  });
});
