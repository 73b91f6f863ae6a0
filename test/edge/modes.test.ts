// What a caller sees in each mode when nothing is broken.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  binaryBody,
  calmInput,
  gpuWorkerToken,
  guardedEdge,
  jsonBody,
  resetFixtures,
  restlessInput,
  upstreamBody,
} from '../helpers/guarded-edge.ts';

const guarded = guardedEdge();
beforeEach(() => resetFixtures(guarded));

describe('a calm input', () => {
  for (const mode of ['off', 'shadow', 'enforce']) {
    it(`is answered in mode ${mode} with the upstream's bytes`, async () => {
      const answer = await guarded.infer(mode);
      expect(answer.status).toBe(200);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(upstreamBody);
      expect(answer.headers.get('x-guard-mode')).toBe(mode);
      expect(answer.headers.get('x-model-note')).toBe('kept');
    });
  }

  it('reaches the upstream as the bytes that were sent, JSON and binary', async () => {
    const odd = `  ${jsonBody()}\n`;
    await guarded.infer('enforce', odd);
    const { body, headers } = binaryBody();
    const answer = await guarded.infer('enforce', body, headers);
    expect(answer.status).toBe(200);
    expect(guarded.upstream.received.map((request) => request.body)).toEqual([
      Buffer.from(odd),
      Buffer.from(body),
    ]);
    expect(guarded.upstream.received[1].headers['inference-header-content-length']).toBe(
      headers['inference-header-content-length'],
    );
  });

  it('is read without a content-type too, as clients of Triton send it', async () => {
    const { body, headers } = binaryBody();
    const { 'inference-header-content-length': length } = headers;
    for (const [sent, split] of [
      [new TextEncoder().encode(jsonBody()), {}],
      [body, { 'inference-header-content-length': length }],
    ] as const) {
      const path = '/v2/models/enforce/infer';
      const answer = await guarded.call(path, { method: 'POST', body: sent, headers: split });
      expect(answer.status).toBe(200);
      expect(guarded.upstream.received.at(-1)).toMatchObject({ body: Buffer.from(sent) });
      expect(guarded.upstream.received.at(-1)?.headers['content-type']).toBeUndefined();
    }
  });

  it('is allowed in mode enforce and says so with the id of its audit entry', async () => {
    const answer = await guarded.infer('enforce');
    expect(answer.headers.get('x-guard-verdict')).toBe('allow');
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'allow', mode: 'enforce', enforced: false, failure: null });
    expect(verdict.detector?.scorer).toBe('typescript');
  });
});

describe('a restless input', () => {
  it('is refused in mode enforce with 403 and never reaches the upstream', async () => {
    const answer = await guarded.infer('enforce', jsonBody([restlessInput]));
    expect(answer.status).toBe(403);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    const problem = (await answer.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({ code: 'blocked', status: 403, error: expect.any(String) });
    expect(problem.verdict_id).toBe(answer.headers.get('x-guard-verdict-id'));
    expect(JSON.stringify(problem)).not.toContain('score');
    expect(answer.headers.get('x-guard-verdict')).toBe('block');
    expect(guarded.upstream.received).toEqual([]);
    const verdict = await guarded.audited(problem.verdict_id as string);
    expect(verdict).toMatchObject({ verdict: 'block', enforced: true, reasons: ['nccr.above_threshold'] });
    expect(verdict.taxonomy).toEqual(['AML.T0015', 'AML.T0043']);
  });

  it('is refused wherever it hides in a batch', async () => {
    const rows = [...Array.from({ length: 63 }, () => calmInput), restlessInput];
    const answer = await guarded.infer('enforce', jsonBody(rows));
    expect(answer.status).toBe(403);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict.rows.map((row) => row.verdict)).toEqual([
      ...Array.from({ length: 63 }, () => 'allow'),
      'block',
    ]);
    expect(verdict.score).toBe(verdict.rows[63].score);
    expect(guarded.upstream.received).toEqual([]);
  });

  it('passes in mode shadow and is audited as what it is', async () => {
    const answer = await guarded.infer('shadow', jsonBody([restlessInput]));
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(upstreamBody);
    expect(answer.headers.get('x-guard-verdict')).toBeNull();
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'block', mode: 'shadow', enforced: false });
  });

  it('passes in mode off without being scored', async () => {
    const answer = await guarded.infer('off', jsonBody([restlessInput]));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-guard-verdict-id')).toBeNull();
    expect(guarded.extractor.received).toEqual([]);
  });
});

describe('headers', () => {
  it('are forwarded without the connection, trust headers or the token of the guard', async () => {
    await guarded.infer('enforce', jsonBody(), {
      'x-guard-verdict': 'allow',
      'x-guard-mode': 'off',
      'x-custom': 'kept',
      te: 'trailers',
      'x-http-method-override': 'DELETE',
      'x-original-url': '/v2/repository/index',
      'x-rewrite-url': '/v2/repository/index',
      'x-envoy-original-path': '/v2/repository/index',
      traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`,
      'x-request-id': 'request-7',
    });
    const [{ headers }] = guarded.upstream.received;
    expect(Object.keys(headers).filter((name) => name.startsWith('x-guard-'))).toEqual([]);
    const overrides = /^x-(http-method-override|original-url|rewrite-url|envoy-)/;
    expect(Object.keys(headers).filter((name) => overrides.test(name))).toEqual([]);
    expect(headers).toMatchObject({ 'x-custom': 'kept', 'x-request-id': 'request-7' });
    expect(headers.traceparent).toContain('ab'.repeat(16));
    expect(headers.te).toBeUndefined();
    expect(headers.authorization).toBeUndefined();
  });

  it('say what the guard thought, whatever the upstream claims', async () => {
    const answer = await guarded.infer('off');
    expect(answer.headers.get('x-guard-verdict')).toBeNull();
  });

  it('carry a request id on every answer', async () => {
    for (const path of ['/v2/health/live', '/v2', '/nowhere', '/v2/models/unknown/infer']) {
      const answer = await guarded.call(path);
      expect(answer.headers.get('x-request-id'), path).toMatch(/^[\w-]+$/);
      await answer.arrayBuffer();
    }
  });

  it('show the gpu-worker its own token and a timeout in microseconds', async () => {
    await guarded.infer('enforce');
    const [{ headers, body }] = guarded.extractor.received;
    expect(headers.authorization).toBe(`Bearer ${gpuWorkerToken}`);
    const json = JSON.parse(body.subarray(0, Number(headers['inference-header-content-length'])).toString());
    expect(json.parameters.timeout).toBeGreaterThan(500_000);
    expect(json.parameters.timeout).toBeLessThanOrEqual(2_000_000);
  });
});

describe('the upstream', () => {
  it('has its own errors passed on as they are', async () => {
    guarded.upstream.behaviour = (_request, response) => {
      response.writeHead(418, { 'content-type': 'text/plain' }).end('no tea');
    };
    const answer = await guarded.infer('enforce');
    expect(answer.status).toBe(418);
    expect(await answer.text()).toBe('no tea');
  });

  it('is asked under the path of the model and its version', async () => {
    const path = '/v2/models/enforce/versions/3/infer';
    const headers = { 'content-type': 'application/json' };
    const answer = await guarded.call(path, { method: 'POST', body: jsonBody(), headers });
    expect(answer.status).toBe(200);
    expect(guarded.upstream.received[0].path).toBe(path);
  });

  it('is not asked for a version that the detector was not made for', async () => {
    const headers = { 'content-type': 'application/json' };
    for (const version of ['2', '03', '3.0']) {
      const path = `/v2/models/enforce/versions/${version}/infer`;
      const answer = await guarded.call(path, { method: 'POST', body: jsonBody(), headers });
      expect(answer.status, version).toBe(404);
      expect(await answer.json()).toMatchObject({ code: 'unknown_model' });
    }
    expect(guarded.upstream.received).toEqual([]);
  });
});
