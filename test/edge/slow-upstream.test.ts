// Answers of the protected model that come slowly, stand still, or are of an unusual kind: what the client gets of each.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Behaviour } from '../helpers/fixture-server.ts';
import { apiToken, guardedEdge, jsonBody, resetFixtures } from '../helpers/guarded-edge.ts';

const timeoutMs = 500;
const guarded = guardedEdge({ bindings: { UPSTREAM_TIMEOUT_MS: String(timeoutMs) } });
beforeEach(() => resetFixtures(guarded));

/** More than is read whole before it is passed on. */
const large = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));

/** Sends one piece every 100 ms, and stops behind the last one or, where it is to stand still, never. */
function inPieces(
  pieces: readonly Uint8Array[],
  { ends, headers = {} }: { ends: boolean; headers?: Record<string, string> },
): Behaviour {
  return (_request, response) => {
    response.writeHead(200, headers);
    const left = [...pieces];
    const sending = setInterval(() => {
      const piece = left.shift();
      if (piece !== undefined) response.write(piece);
      else if (ends) response.end();
      if (left.length === 0 && !ends) clearInterval(sending);
    }, 100);
    response.on('close', () => clearInterval(sending));
  };
}

/** An inference whose answer is read as it comes on the wire: nothing unpacks it. */
async function ask(mode = 'off'): Promise<IncomingMessage> {
  const sent = request(new URL(`/v2/models/${mode}/infer`, guarded.edge.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' },
  });
  sent.end(jsonBody());
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return answer;
}

/** What arrived, and whether the answer ended as it should. */
async function readOut(answer: IncomingMessage): Promise<{ bytes: Buffer; isWhole: boolean }> {
  const chunks: Buffer[] = [];
  answer.on('data', (chunk: Buffer) => chunks.push(chunk));
  answer.on('error', () => undefined);
  answer.resume();
  await new Promise((resolve) => answer.on('close', resolve));
  return { bytes: Buffer.concat(chunks), isWhole: answer.complete };
}

async function counted(name: string): Promise<number> {
  const text = await (await guarded.call('/metrics')).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

describe('an answer that stands still', () => {
  it.each(['off', 'shadow', 'enforce'])(
    'before a short one is there is a timeout with its own status in mode %s',
    async (mode) => {
      const timeouts = 'guard_rejected_total{reason="upstream_timeout"}';
      const before = await counted(timeouts);
      const headers = { 'content-length': '30' };
      guarded.upstream.behaviour = inPieces([Buffer.from('{"outputs"')], { ends: false, headers });
      const answer = await guarded.infer(mode);
      expect(answer.status).toBe(504);
      expect(await answer.json()).toMatchObject({ code: 'upstream_timeout' });
      expect(await counted(timeouts)).toBe(before + 1);
    },
  );

  it.each([
    ['of unknown length', {}],
    ['of a great length', { 'content-length': String(large.length) }],
  ])('after its head was sent, %s, is broken off and never ends as if it were whole', async (_, headers) => {
    const before = await counted('guard_upstream_idle_total');
    let isClosed = false;
    guarded.upstream.behaviour = (received, response) => {
      response.on('close', () => {
        isClosed = true;
      });
      inPieces([large.subarray(0, 10), large.subarray(10, 20)], { ends: false, headers })(received, response);
    };
    const answer = await ask();
    expect(answer.statusCode).toBe(200);
    const { bytes, isWhole } = await readOut(answer);
    expect(isWhole).toBe(false);
    expect(bytes).toEqual(large.subarray(0, 20));
    expect(await counted('guard_upstream_idle_total')).toBe(before + 1);
    await expect.poll(() => isClosed).toBe(true);
    expect(guarded.logs.filter((line) => line.includes('upstream.idle')).length).toBeGreaterThan(0);
  });
});

describe('an answer', () => {
  it.each([
    ['of unknown length', {}],
    ['of a great length', { 'content-length': String(large.length) }],
  ])(
    '%s may take longer than the wait as long as bytes keep coming',
    async (_, headers: Record<string, string>) => {
      const pieces = Array.from({ length: 10 }, (_, index) =>
        large.subarray(index * 30_000, (index + 1) * 30_000),
      );
      guarded.upstream.behaviour = inPieces(pieces, { ends: true, headers });
      const began = Date.now();
      const answer = await ask();
      expect(answer.headers['content-length']).toBe(headers['content-length']);
      const { bytes, isWhole } = await readOut(answer);
      expect(isWhole).toBe(true);
      expect(bytes.equals(large)).toBe(true);
      expect(Date.now() - began).toBeGreaterThan(timeoutMs);
    },
  );

  it('whose client reads slowly is not taken for one that stands still', async () => {
    const whole = Buffer.concat(Array.from({ length: 40 }, () => large));
    guarded.upstream.behaviour = (_request, response) => void response.writeHead(200).end(whole);
    const answer = await ask();
    answer.pause();
    await new Promise((resolve) => setTimeout(resolve, 3 * timeoutMs));
    const { bytes, isWhole } = await readOut(answer);
    expect(isWhole).toBe(true);
    expect(bytes.equals(whole)).toBe(true);
  });

  it('in an encoding that nobody asked for passes byte for byte', async () => {
    for (const whole of [gzipSync('{}', { level: 1 }), gzipSync(large, { level: 1 })]) {
      guarded.upstream.behaviour = (_request, response) =>
        void response
          .writeHead(200, { 'content-encoding': 'gzip', 'content-length': whole.length })
          .end(whole);
      const answer = await ask();
      expect(answer.headers['content-encoding']).toBe('gzip');
      expect((await readOut(answer)).bytes.equals(whole)).toBe(true);
    }
  });

  it.each([204, 304])('without a body, of status %i, passes', async (status) => {
    guarded.upstream.behaviour = (_request, response) =>
      void response.writeHead(status, status === 304 ? { etag: '"1"', 'content-length': '7' } : {}).end();
    const answer = await guarded.call('/v2/models/off');
    expect(answer.status).toBe(status);
    expect(await answer.text()).toBe('');
  });

  it('of no bytes passes', async () => {
    guarded.upstream.behaviour = (_request, response) =>
      void response.writeHead(200, { 'content-length': '0' }).end();
    const answer = await guarded.infer('off');
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('');
  });
});
