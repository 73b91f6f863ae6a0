// The routes around the guarded one: probes, metadata, metrics, the OpenAPI document, and what is no route.

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { routeScopes } from '../../edge/access/route-scopes.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { guardedEdge, jsonBody, resetFixtures, restlessInput } from '../helpers/guarded-edge.ts';

const guarded = guardedEdge();
beforeEach(() => resetFixtures(guarded));

describe('a probe', () => {
  it.each(['/v2/health/live', '/healthz', '/livez', '/v2/health/ready', '/readyz'])(
    '%s is answered with 200 and an empty body, without a token',
    async (path) => {
      const answer = await guarded.call(path, { headers: { authorization: '' } });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toBe('');
    },
  );
});

describe('readiness', () => {
  it('is checked once a second at most, however often it is asked for', async () => {
    expect((await guarded.call('/v2/health/ready')).status).toBe(200);
    guarded.extractor.received.length = 0;
    const asked = Array.from({ length: 20 }, () => guarded.call('/readyz'));
    for (const answer of await Promise.all(asked)) expect(answer.status).toBe(200);
    // One check asks two models twice; a second may have passed since the last.
    expect(guarded.extractor.received.length).toBeLessThanOrEqual(4);
  });
});

describe('everything else', () => {
  it.each(['/v2', '/metrics', '/openapi.json', '/v2/models/off', '/v1/verdicts/x', '/nowhere'])(
    '%s needs the token',
    async (path) => {
      const answer = await guarded.call(path, { headers: { authorization: 'Bearer wrong' } });
      expect(answer.status).toBe(401);
      expect(problemSchema.parse(await answer.json()).code).toBe('unauthorized');
    },
  );

  it('that is no route is answered with 404, and a wrong method with 405 and what is allowed', async () => {
    for (const path of [
      '/nowhere',
      '/v2/models//infer',
      '/V2',
      '/v2/models/enforce/infer/',
      '/v2/models/off/infer/x',
    ]) {
      const answer = await guarded.call(path, { method: 'POST', body: jsonBody() });
      expect(answer.status, path).toBe(404);
      expect(problemSchema.parse(await answer.json()).code).toBe('not_found');
    }
    for (const [method, path, allowed] of [
      ['PUT', '/v2/models/enforce/infer', 'POST'],
      ['GET', '/v1/guard/verdicts?model=enforce', 'POST'],
      ['DELETE', '/v2', 'GET, HEAD'],
    ]) {
      const answer = await guarded.call(path, { method });
      expect(answer.status, path).toBe(405);
      expect(answer.headers.get('allow')).toBe(allowed);
      expect(problemSchema.parse(await answer.json()).code).toBe('method_not_allowed');
    }
    expect(guarded.upstream.received).toEqual([]);
  });
});

describe('metadata', () => {
  it('of the server names it and its extensions', async () => {
    const answer = await guarded.call('/v2');
    expect(await answer.json()).toMatchObject({
      name: 'nccr-guard',
      extensions: expect.arrayContaining(['binary_tensor_data']),
    });
  });

  it('of a model is the upstream’s, under the same path', async () => {
    for (const path of ['/v2/models/enforce', '/v2/models/enforce/versions/3']) {
      const answer = await guarded.call(path);
      expect(answer.status).toBe(200);
      expect(guarded.upstream.received.at(-1)).toMatchObject({ method: 'GET', path });
      // A page of the upstream's must not run where the dashboard does.
      expect(answer.headers.get('content-security-policy')).toContain('sandbox');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      await answer.arrayBuffer();
    }
  });

  it('of a version that is not configured is not found, and the upstream is not asked', async () => {
    for (const action of ['', '/ready']) {
      expect((await guarded.call(`/v2/models/enforce/versions/2${action}`)).status, action).toBe(404);
    }
    expect(guarded.upstream.received).toEqual([]);
  });

  it('of a model that is not configured is not found, and the upstream is not asked', async () => {
    expect((await guarded.call('/v2/models/nobody')).status).toBe(404);
    expect(guarded.upstream.received).toEqual([]);
  });
});

describe('a verdict without forwarding', () => {
  it('needs a known model in its query', async () => {
    const init = { method: 'POST', body: jsonBody(), headers: { 'content-type': 'application/json' } };
    expect((await guarded.call('/v1/guard/verdicts', init)).status).toBe(400);
    expect((await guarded.call('/v1/guard/verdicts?model=nobody', init)).status).toBe(404);
  });

  it('says what the score means in every mode, enforces nothing and reaches no upstream', async () => {
    for (const mode of ['off', 'shadow', 'enforce']) {
      const init = {
        method: 'POST',
        body: jsonBody([restlessInput]),
        headers: { 'content-type': 'application/json' },
      };
      const answer = await guarded.call(`/v1/guard/verdicts?model=${mode}`, init);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ verdict: 'block', mode, enforced: false });
    }
    expect(guarded.upstream.received).toEqual([]);
  });

  it('of an input that cannot be scored is a problem, never a verdict', async () => {
    const init = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
    const answer = await guarded.call('/v1/guard/verdicts?model=shadow', init);
    expect(answer.status).toBe(400);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'not_scored', enforced: false });
  });
});

describe('metrics', () => {
  it('count requests by model, mode and verdict, and failures by class', async () => {
    await guarded.infer('enforce', jsonBody([restlessInput]));
    await guarded.infer('enforce', '{');
    await guarded.infer('off');
    const asked = { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } };
    await guarded.call('/v1/guard/verdicts?model=enforce', asked);
    // The verdict is recorded after the answer.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const answer = await guarded.call('/metrics');
    expect(answer.headers.get('content-type')).toContain('text/plain');
    const text = await answer.text();
    for (const line of [
      /guard_requests_total\{model="enforce",mode="enforce",verdict="block"\} \d/,
      /guard_requests_total\{model="off",mode="off",verdict="not_scored"\} \d/,
      /guard_failures_total\{class="unsupported_input",policy_outcome="blocked"\} \d/,
      /guard_failures_total\{class="unsupported_input",policy_outcome="reported"\} \d/,
      /guard_rejected_total\{reason="blocked"\} \d/,
      /guard_pending_requests 0/,
      /guard_detection_duration_seconds_bucket\{le="0.0025",stage="extract"\} \d/,
      /guard_score_count\{model="enforce"\} \d/,
      /guard_detector_info\{model="enforce",version="0.0.1",artefact="sha256:[0-9a-f]{64}"\} 1/,
      /guard_audit_failures_total 0/,
    ]) {
      expect(text).toMatch(line);
    }
  });

  it('count an audit that cannot be written, which changes no answer', async () => {
    await guarded.edge.storage.run({ sql: 'ALTER TABLE verdicts RENAME TO verdicts_away' });
    const answer = await guarded.infer('enforce');
    expect(answer.status).toBe(200);
    const id = answer.headers.get('x-guard-verdict-id')!;
    // Three tries in all, which take 0.6 s where the database answers at once.
    const counted = async () => (await guarded.call('/metrics')).text();
    const waited = { timeout: 10_000, interval: 100 };
    await vi.waitFor(async () => expect(await counted()).toMatch(/guard_audit_failures_total [1-9]/), waited);
    await guarded.edge.storage.run({ sql: 'ALTER TABLE verdicts_away RENAME TO verdicts' });
    const line = guarded.logs.find((text) => text.includes('audit.failure'))!;
    const { entry } = JSON.parse(line) as { entry: { verdict: unknown } };
    expect(verdictSchema.parse(entry.verdict).id).toBe(id);
  });
});

describe('the OpenAPI document', () => {
  it('describes every route in version 3.1', async () => {
    const document = (await (await guarded.call('/openapi.json')).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    const declared = Object.keys(routeScopes).map((route) => route.slice(route.indexOf(' ') + 1));
    const routes = new Set(
      declared.filter((path) => path !== '/openapi.json' && !path.startsWith('/dashboard')),
    );
    expect(Object.keys(document.paths).sort()).toEqual([...routes].sort());
    const { responses } = document.paths['/v2/models/{model}/infer'].post;
    expect(Object.keys(responses)).toEqual(
      expect.arrayContaining(['200', '400', '401', '403', '404', '413', '415', '422', '502', '503', '504']),
    );
  });
});
