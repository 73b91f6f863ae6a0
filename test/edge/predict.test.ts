// Models whose server speaks TensorFlow Serving's REST API: guarded as any other, and passed on byte for byte.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problemSchema } from '../../shared/problem-response.ts';
import {
  calmInput,
  guardedEdge,
  jsonBody,
  modes,
  resetFixtures,
  restlessInput,
} from '../helpers/guarded-edge.ts';
import { servesTensorFlow } from '../helpers/tensorflow-serving.ts';

const models = modes.map((mode) => {
  return {
    name: mode,
    mode,
    version: '3',
    artefact: `detectors/${mode}.json`,
    protocol: 'tensorflow-serving',
  };
});
const guarded = guardedEdge({ bindings: { GUARD_MODELS: JSON.stringify(models) } });
beforeEach(() => {
  resetFixtures(guarded);
  guarded.upstream.behaviour = servesTensorFlow;
});

/** A row nested as the model's input is. */
const row = (values: readonly number[]) => [[values.slice(0, 3), values.slice(3)]];
const rows = (...inputs: readonly (readonly number[])[]) => JSON.stringify({ instances: inputs.map(row) });

function predict(mode: string, body: string, { headers = {}, version = '' } = {}): Promise<Response> {
  const path = `/v1/models/${mode}${version}:predict`;
  return guarded.call(path, { method: 'POST', body, headers });
}

describe('a prediction', () => {
  it.each(modes)('is answered in mode %s with the server’s bytes, in both forms', async (mode) => {
    for (const [body, answer] of [
      [` ${rows(calmInput, calmInput)}\n`, { predictions: [2.625, 2.625] }],
      [
        JSON.stringify({ signature_name: 'serving_default', instances: [{ input: row(calmInput) }] }),
        { predictions: [2.625] },
      ],
      [JSON.stringify({ inputs: [row(calmInput)] }), { outputs: [2.625] }],
      [JSON.stringify({ inputs: { input: [row(calmInput)] } }), { outputs: [2.625] }],
    ] as const) {
      const got = await predict(mode, body);
      expect(got.status).toBe(200);
      expect(got.headers.get('x-guard-mode')).toBe(mode);
      expect(await got.text()).toBe(JSON.stringify(answer, null, 4));
      expect(guarded.upstream.received.at(-1)).toMatchObject({
        method: 'POST',
        path: `/v1/models/${mode}:predict`,
        body: Buffer.from(body),
      });
    }
  });

  it('is read whatever the content-type says, as its server does', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await predict('enforce', rows(calmInput), { headers })).status).toBe(200);
  });

  it('is refused where the guard takes a row for an adversarial example', async () => {
    const answer = await predict('enforce', rows(calmInput, restlessInput));
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: 'blocked', error: expect.any(String) });
    expect(guarded.upstream.received).toEqual([]);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict.rows.map(({ verdict }) => verdict)).toEqual(['allow', 'block']);
  });

  it('has the verdict of the same numbers in the other protocol', async () => {
    const answer = await predict('shadow', rows(restlessInput));
    expect(answer.status).toBe(200);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'block', enforced: false });
    const again = await guarded.call(`/v1/verdicts/${verdict.id}/replay`, {
      method: 'POST',
      body: rows(restlessInput),
    });
    expect(await again.json()).toMatchObject({ matches: true });
    const asked = await guarded.call('/v1/guard/verdicts?model=off', {
      method: 'POST',
      body: rows(restlessInput),
    });
    expect(await asked.json()).toMatchObject({ verdict: 'block', score: verdict.score });
  });

  it.each([
    ['malformed JSON', 400, '{'],
    ['neither form', 400, '{}'],
    ['a NaN', 400, rows(calmInput).replace('0.25', 'NaN')],
    ['base64', 422, JSON.stringify({ instances: [{ b64: 'AAAA' }] })],
    ['another signature', 422, JSON.stringify({ signature_name: 'other', instances: [row(calmInput)] })],
    ['a row of another shape', 422, JSON.stringify({ instances: [calmInput] })],
    ['a value out of range', 422, rows(calmInput.with(0, 1.5))],
    ['a constant row', 422, rows(calmInput.map(() => 0.5))],
    ['more rows than are scored', 422, rows(...Array.from({ length: 65 }, () => calmInput))],
  ])('of %s is refused with %i and the reason in `error`', async (_, status, body) => {
    const answer = await predict('enforce', body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: expect.any(String) });
    expect(guarded.upstream.received).toEqual([]);
  });

  it('with a content encoding is refused', async () => {
    const answer = await predict('enforce', rows(calmInput), { headers: { 'content-encoding': 'gzip' } });
    expect(answer.status).toBe(415);
  });

  it('of a version reaches that version, and no other', async () => {
    expect((await predict('enforce', rows(calmInput), { version: '/versions/3' })).status).toBe(200);
    expect(guarded.upstream.received.at(-1)?.path).toBe('/v1/models/enforce/versions/3:predict');
    expect((await predict('enforce', rows(calmInput), { version: '/versions/4' })).status).toBe(404);
    expect(guarded.upstream.received).toHaveLength(1);
  });
});

describe('an error', () => {
  /** What its clients read of it: JSON whose `error` is text. The rest of the problem stands beside it. */
  async function expectError(answer: Response, status: number, code: string) {
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('x-request-id')).toBe(
      problemSchema.parse(await answer.clone().json()).request_id,
    );
    expect(await answer.json()).toMatchObject({ error: expect.any(String), code, status });
  }

  it('of the guard is JSON with a text, its status and its headers', async () => {
    const blocked = await predict('enforce', rows(restlessInput));
    expect(blocked.headers.get('x-guard-verdict')).toBe('block');
    expect(blocked.headers.get('x-guard-mode')).toBe('enforce');
    await expectError(blocked, 403, 'blocked');
    guarded.extractor.behaviour = (_request, response) =>
      void response.writeHead(503, { 'retry-after': '7' }).end();
    const shed = await predict('enforce', rows(calmInput));
    expect(shed.headers.get('retry-after')).toBe('7');
    await expectError(shed, 503, 'overloaded');
    await expectError(await predict('enforce', '{'), 400, 'malformed_request');
    await expectError(await predict('nobody', rows(calmInput)), 404, 'unknown_model');
    await expectError(
      await guarded.call('/v1/models/enforce:classify', { method: 'POST' }),
      404,
      'not_found',
    );
    await expectError(await guarded.call('/v1/models/enforce:predict'), 405, 'method_not_allowed');
    const path = '/v1/models/enforce:predict';
    const nobody = await guarded.call(path, { method: 'POST', headers: { authorization: 'Bearer no' } });
    await expectError(nobody, 401, 'unauthorized');
  });

  it('of a route of the guard itself is a problem as before', async () => {
    const answer = await guarded.call('/v1/models/nobody/drift');
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it('of the server passes as it came', async () => {
    guarded.upstream.behaviour = (_request, response) =>
      void response.writeHead(400, { 'content-type': 'application/json' }).end('{ "error": "no" }');
    const answer = await predict('enforce', rows(calmInput));
    expect(answer.status).toBe(400);
    expect(await answer.text()).toBe('{ "error": "no" }');
  });
});

describe('what is asked of a model', () => {
  it.each(['', '/versions/3', '/metadata', '/versions/3/metadata'])(
    '%s is answered by its server',
    async (of) => {
      const answer = await guarded.call(`/v1/models/enforce${of}`);
      expect(answer.status).toBe(200);
      expect(guarded.upstream.received).toMatchObject([{ method: 'GET', path: `/v1/models/enforce${of}` }]);
      const body = (await answer.json()) as object;
      expect(Object.keys(body)[0]).toBe(of.endsWith('metadata') ? 'model_spec' : 'model_version_status');
    },
  );

  it('is not found where the guard cannot guard it, and never reaches the server', async () => {
    for (const path of [
      '/v1/models/enforce:classify',
      '/v1/models/enforce:regress',
      '/v1/models/enforce/labels/canary:predict',
      '/v1/models/enforce:predict/x',
      '/v1/models/enforce%3Apredict%2F..',
      '/v1/models/:predict',
      '/v1/models/nobody:predict',
      '/v2/models/enforce/infer',
    ]) {
      const body = path.startsWith('/v2') ? jsonBody() : rows(calmInput);
      const headers = { 'content-type': 'application/json' };
      const answer = await guarded.call(path, { method: 'POST', body, headers });
      expect([404, 405], path).toContain(answer.status);
      expect(await answer.json(), path).toMatchObject({ error: expect.any(String) });
    }
    for (const path of ['/v1/models/enforce/versions/4', '/v1/models/nobody', '/v2/models/enforce']) {
      expect((await guarded.call(path)).status, path).toBe(404);
    }
    expect(guarded.upstream.received).toEqual([]);
  });

  it('is whether it is ready, too, by the guard’s own probe', async () => {
    expect((await guarded.call('/v2/models/enforce/versions/3/ready')).status).toBe(200);
  });
});

describe('a batch with bad rows where the policy cuts them', () => {
  beforeAll(async () => {
    const path = '/v1/policies/enforce';
    const draft = JSON.stringify({ mode: 'enforce', batch: 'cut' });
    expect((await guarded.call(path, { method: 'PUT', body: draft })).status).toBe(200);
    expect((await guarded.call(`${path}/versions`, { method: 'POST' })).status).toBe(201);
    resetFixtures(guarded);
    guarded.upstream.behaviour = servesTensorFlow;
    // The policy of before may be known to the isolate for two seconds more.
    const isInForce = async () => (await predict('enforce', rows(restlessInput, calmInput))).status === 200;
    for (const endsAt = Date.now() + 20_000; !(await isInForce()); ) {
      if (Date.now() > endsAt) throw new Error('the policy did not come into force');
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }, 60_000);

  const other = calmInput.with(1, 0.5);
  const batch = [restlessInput, calmInput, restlessInput, other];
  const kept = [row(calmInput), row(other)];
  it.each([
    ['rows', { instances: batch.map(row) }, { instances: kept }, { predictions: [2.625, 2.875] }],
    [
      'rows under the input’s name',
      { signature_name: 'serving_default', instances: batch.map((values) => ({ input: row(values) })) },
      { signature_name: 'serving_default', instances: kept.map((input) => ({ input })) },
      { predictions: [2.625, 2.875] },
    ],
    ['one column', { inputs: batch.map(row) }, { inputs: kept }, { outputs: [2.625, 2.875] }],
    [
      'one column under the input’s name',
      { inputs: { input: batch.map(row) } },
      { inputs: { input: kept } },
      { outputs: [2.625, 2.875] },
    ],
  ])(
    'as %s is predicted without them, and the answer names their places',
    async (_, body, sent, answered) => {
      const answer = await predict('enforce', JSON.stringify(body));
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-guard-rows-cut')).toBe('0,2');
      expect(await answer.json()).toEqual({ guard_rows_cut: '0,2', ...answered });
      expect(guarded.upstream.received).toHaveLength(1);
      expect(JSON.parse(guarded.upstream.received[0].body.toString())).toEqual(sent);
      const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
      expect(verdict).toMatchObject({ verdict: 'block', enforced: true, rows_cut: [0, 2] });
    },
  );

  it('is refused whole where every row is bad, and passes byte for byte where none is', async () => {
    expect((await predict('enforce', rows(restlessInput, restlessInput))).status).toBe(403);
    expect(guarded.upstream.received).toEqual([]);
    const body = ` ${rows(calmInput, other)} `;
    const answer = await predict('enforce', body);
    expect(answer.headers.get('x-guard-rows-cut')).toBeNull();
    expect(guarded.upstream.received[0].body.toString()).toBe(body);
  });
});
