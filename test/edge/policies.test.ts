// Policies through the running Worker: drafted, published, compared, rolled back, and what a guard makes of them.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newApiKeySchema } from '../../shared/contracts/api-key.ts';
import { extractionParameters } from '../../shared/contracts/extraction.ts';
import {
  defaultPolicy,
  policyDiffSchema,
  policyListSchema,
  policyStateSchema,
  policyVersionListSchema,
  policyVersionSchema,
} from '../../shared/contracts/policy.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { answerHonestly } from '../helpers/canned-extractor.ts';
import {
  calmInput,
  guardedEdge,
  jsonBody,
  resetFixtures,
  restlessInput,
  upstreamBody,
} from '../helpers/guarded-edge.ts';

const guarded = guardedEdge({ bindings: { GUARD_TIMEOUT_MS: '5000' } });
beforeEach(() => resetFixtures(guarded));

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  guarded.call(`/v1/policies/${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

/** Saves a policy over whatever draft there is, and publishes it. */
async function publish(model: string, policy: object): Promise<number> {
  const etag = (await send('GET', model)).headers.get('etag')!;
  expect((await send('PUT', model, policy, { 'if-match': etag })).status).toBe(200);
  const answer = await send('POST', `${model}/versions`);
  expect(answer.status).toBe(201);
  return policyVersionSchema.parse(await answer.json()).version;
}

const rollBack = async (model: string) => {
  expect((await send('POST', `${model}/rollback`, { version: 0 })).status).toBe(201);
};

describe('the life of a policy', () => {
  it('begins with what the configuration says, as version 0', async () => {
    const answer = await guarded.call('/v1/policies');
    const { policies } = policyListSchema.parse(await answer.json());
    for (const mode of ['off', 'shadow', 'enforce'] as const) {
      expect(policies.find(({ model }) => model === mode)).toMatchObject({
        current: { version: 0, policy: defaultPolicy(mode), published_at: null, published_by: null },
        draft: null,
      });
    }
  });

  it('goes by a draft, guards once it is published, and is rolled back under a new number', async () => {
    const policy = { mode: 'enforce', failures: { timeout: 'pass' }, thresholds: { flag: -1 } };
    const drafted = await send('PUT', 'off', policy);
    expect(drafted.status).toBe(200);
    const { draft, current } = policyStateSchema.parse(await drafted.json());
    expect(draft).toMatchObject({ policy: { ...policy, sampling_percent: 100 }, saved_by: 'api-token' });
    expect(current.version).toBe(0);
    expect((await guarded.infer('off', jsonBody([restlessInput]))).status).toBe(200);

    const diff = policyDiffSchema.parse(await (await send('GET', 'off/diff')).json());
    expect(diff).toEqual({
      model: 'off',
      from: 0,
      to: 'draft',
      changes: [
        { op: 'replace', path: '/mode', old: 'off', value: 'enforce' },
        { op: 'replace', path: '/thresholds/flag', old: null, value: -1 },
        { op: 'replace', path: '/failures/timeout', old: 'refuse', value: 'pass' },
      ],
    });

    const published = await send('POST', 'off/versions');
    expect(published.status).toBe(201);
    expect(published.headers.get('location')).toBe('/v1/policies/off/versions/1');
    expect(policyVersionSchema.parse(await published.json())).toMatchObject({
      version: 1,
      policy,
      published_by: 'api-token',
      published_at: expect.any(String),
      restored_from: null,
    });
    const refused = await guarded.infer('off', jsonBody([restlessInput]));
    expect(refused.status).toBe(403);
    const verdict = await guarded.audited(refused.headers.get('x-guard-verdict-id'));
    expect(verdict.policy).toEqual({ id: 'off', version: 1 });
    expect((await send('GET', 'off/diff')).status).toBe(404);

    const restored = await send('POST', 'off/rollback', { version: 0 });
    expect(policyVersionSchema.parse(await restored.json())).toMatchObject({
      version: 2,
      policy: defaultPolicy('off'),
      restored_from: 0,
    });
    expect((await guarded.infer('off', jsonBody([restlessInput]))).status).toBe(200);
    const list = policyVersionListSchema.parse(await (await send('GET', 'off/versions')).json());
    expect(list.versions.map(({ version }) => version)).toEqual([2, 1, 0]);
    const between = policyDiffSchema.parse(await (await send('GET', 'off/diff?from=1&to=2')).json());
    expect(between.changes.map(({ path }) => path)).toEqual(diff.changes.map(({ path }) => path));
    expect(policyVersionSchema.parse(await (await send('GET', 'off/versions/1')).json())).toMatchObject({
      policy,
    });
  });

  it('keeps two people from overwriting each other', async () => {
    const first = await send('PUT', 'shadow', { mode: 'off' });
    const etag = first.headers.get('etag')!;
    expect((await send('PUT', 'shadow', { mode: 'shadow' })).status).toBe(428);
    expect((await send('PUT', 'shadow', { mode: 'shadow' }, { 'if-match': '"r999"' })).status).toBe(412);
    const second = await send('PUT', 'shadow', { mode: 'shadow' }, { 'if-match': etag });
    expect(second.status).toBe(200);
    expect((await send('POST', 'shadow/versions', undefined, { 'if-match': etag })).status).toBe(412);
    const both = [1, 2].map(() =>
      send('POST', 'shadow/versions', undefined, { 'if-match': second.headers.get('etag')! }),
    );
    const statuses = (await Promise.all(both)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([201, 412]));
    expect((await send('POST', 'shadow/versions')).status).toBe(409);
  });

  it('cannot be changed once it is published, by nobody who can reach the database', async () => {
    await publish('shadow', { mode: 'shadow', timeout_ms: 4_000 });
    for (const sql of ["UPDATE policy_versions SET policy = '{}'", 'DELETE FROM policy_versions']) {
      await expect(guarded.edge.storage.run({ sql })).rejects.toThrow(/immutable/);
    }
  });

  it.each([
    ['an unknown member', { mode: 'shadow', fail_open: true }],
    ['a misspelt class', { mode: 'shadow', failures: { timeouts: 'refuse' } }],
    ['a class that may not pass', { mode: 'shadow', failures: { worker_auth: 'pass' } }],
    ['no mode', {}],
    ['no object', 7],
  ])('with %s is refused and drafts nothing', async (_what, policy) => {
    const before = await (await send('GET', 'enforce')).json();
    const answer = await send('PUT', 'enforce', policy);
    expect(answer.status).toBe(400);
    expect(problemSchema.parse(await answer.json()).code).toBe('malformed_request');
    expect(await (await send('GET', 'enforce')).json()).toEqual(before);
  });

  it.each([
    ['GET', 'nobody', 404],
    ['GET', 'off/versions/77', 404],
    ['GET', 'off/versions/x', 400],
    ['GET', 'off/diff?from=77', 404],
    ['POST', 'off/rollback', 400],
  ])('%s %s is answered with %i', async (method, path, status) => {
    expect((await send(method, path, method === 'POST' ? {} : undefined)).status).toBe(status);
  });
});

describe('the mode enforce', () => {
  const wrong = `sha256:${'b'.repeat(64)}`;
  it.each([
    ['the gpu-worker serves another model', extractionParameters.modelDigest, wrong, 'another model'],
    ['the gpu-worker has another key', extractionParameters.noiseKeyId, '0'.repeat(16), 'another noise key'],
    ['the gpu-worker makes other copies', extractionParameters.planDigest, wrong, 'other copies'],
  ])('is not published where %s', async (_what, name, value, reason) => {
    await send('PUT', 'off', { mode: 'enforce' }, { 'if-match': '*' });
    guarded.extractor.behaviour = answerHonestly(guarded.canned, (canned) => {
      canned.parameters = { ...canned.parameters, [name]: value };
    });
    const answer = await send('POST', 'off/versions');
    expect(answer.status).toBe(409);
    const problem = problemSchema.parse(await answer.json());
    expect(problem.detail).toContain(reason);
    expect(problem.errors?.[0].pointer).toBe('/mode');
    expect((await guarded.infer('off')).headers.get('x-guard-mode')).toBe('off');
  });

  it('is not restored either where the gpu-worker is gone', async () => {
    const version = await publish('off', { mode: 'enforce' });
    await rollBack('off');
    await guarded.extractor.die();
    const answer = await send('POST', 'off/rollback', { version });
    await guarded.extractor.revive();
    expect(answer.status).toBe(409);
  });
});

describe('a guard under a policy', () => {
  afterEach(() => {
    resetFixtures(guarded);
    return rollBack('enforce');
  });

  it('flags above the lower threshold: forwarded, and the verdict told', async () => {
    await publish('enforce', { mode: 'enforce', thresholds: { flag: -1000 } });
    const answer = await guarded.infer('enforce');
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(upstreamBody);
    expect(answer.headers.get('x-guard-verdict')).toBe('flag');
    expect(guarded.upstream.received[0].headers['x-guard-verdict']).toBe('flag');
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({
      verdict: 'flag',
      enforced: false,
      reasons: ['nccr.above_flag_threshold'],
    });
    expect(verdict.rows[0].verdict).toBe('flag');
    expect((await guarded.infer('enforce', jsonBody([restlessInput]))).status).toBe(403);
  });

  it('blocks above its own threshold, of which no calibration promises anything', async () => {
    await publish('enforce', { mode: 'enforce', thresholds: { block: -1000 } });
    const answer = await guarded.infer('enforce');
    expect(answer.status).toBe(403);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ threshold: -1000, target_fpr: null, fpr_ci95: null });
    await publish('enforce', { mode: 'enforce', thresholds: { block: 1e6 } });
    expect((await guarded.infer('enforce', jsonBody([restlessInput]))).status).toBe(200);
  });

  it('replays a verdict by the policy that it was made under', async () => {
    await publish('enforce', { mode: 'enforce', thresholds: { flag: -1000 } });
    const answer = await guarded.infer('enforce');
    const id = answer.headers.get('x-guard-verdict-id');
    await guarded.audited(id);
    await publish('enforce', { mode: 'enforce' });
    const replayed = await guarded.call(`/v1/verdicts/${id}/replay`, {
      method: 'POST',
      body: jsonBody(),
      headers: { 'content-type': 'application/json' },
    });
    expect(await replayed.json()).toMatchObject({
      matches: true,
      recorded: { verdict: 'flag' },
      replayed: { verdict: 'flag' },
    });
  });

  it('judges the share that the policy samples, the same request always alike', async () => {
    await publish('enforce', { mode: 'enforce', sampling_percent: 50 });
    const bodies = Array.from({ length: 24 }, (_, index) => jsonBody([[0, index / 24, 0.5, 0.75, 1, 0.125]]));
    const verdictsOf = async () => {
      const answers = await Promise.all(bodies.map((body) => guarded.infer('enforce', body)));
      expect(answers.every(({ status }) => status === 200)).toBe(true);
      return answers.map(({ headers }) => headers.get('x-guard-verdict'));
    };
    const first = await verdictsOf();
    expect(new Set(first)).toEqual(new Set(['allow', 'not_scored']));
    expect(await verdictsOf()).toEqual(first);
  }, 30_000);

  it('audits what it does not sample as not scored', async () => {
    await publish('enforce', { mode: 'enforce', sampling_percent: 0 });
    const answer = await guarded.infer('enforce', jsonBody([restlessInput]));
    expect(answer.status).toBe(200);
    expect(guarded.extractor.received.filter(({ method }) => method === 'POST')).toEqual([]);
    expect(guarded.upstream.received[0].headers['x-guard-failure-mode-allowed']).toBeUndefined();
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({
      verdict: 'not_scored',
      enforced: false,
      failure: null,
      reasons: ['policy.sampled_out'],
    });
  });

  it('gives a verdict the time that the policy says', async () => {
    await publish('enforce', { mode: 'enforce', timeout_ms: 150 });
    guarded.extractor.behaviour = () => {};
    const startedAt = performance.now();
    const answer = await guarded.infer('enforce');
    expect(answer.status).toBe(504);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('tells scores to operators, and to other callers only where the policy reveals them', async () => {
    const made = await guarded.call('/v1/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'reveal' },
      body: JSON.stringify({ name: 'a caller', scopes: ['verdict'] }),
    });
    expect(made.status).toBe(201);
    const { key } = newApiKeySchema.parse(await made.json());
    const verdictOf = async (headers: Record<string, string> = {}) => {
      const answer = await guarded.call('/v1/guard/verdicts?model=enforce', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: jsonBody([restlessInput]),
      });
      return verdictSchema.parse(await answer.json());
    };
    const caller = { authorization: `Bearer ${key}` };
    expect(await verdictOf(caller)).toMatchObject({
      verdict: 'block',
      score: null,
      threshold: null,
      reasons: [],
      rows: [],
      detector: null,
    });
    expect((await verdictOf()).score).toBeGreaterThan(0);
    await publish('enforce', { mode: 'enforce', reveal: 'scores' });
    expect((await verdictOf(caller)).score).toBeGreaterThan(0);
  });

  it('tells no verdict where the policy reveals nothing', async () => {
    await publish('enforce', { mode: 'enforce', reveal: 'nothing' });
    for (const [input, status] of [
      [calmInput, 200],
      [restlessInput, 403],
    ] as const) {
      const answer = await guarded.infer('enforce', jsonBody([input]));
      expect(answer.status).toBe(status);
      expect(answer.headers.get('x-guard-verdict')).toBeNull();
    }
  });
});

describe('a database that cannot be read', () => {
  it('leaves the last known policy in force', async () => {
    const { storage } = guarded.edge;
    await publish('off', { mode: 'enforce' });
    expect((await guarded.infer('off', jsonBody([restlessInput]))).status).toBe(403);
    await storage.run({ sql: 'ALTER TABLE policy_versions RENAME TO lost' });
    try {
      // Older than a policy may be before it is read again.
      await new Promise((resolve) => setTimeout(resolve, 2_200));
      for (let attempt = 0; attempt < 2; attempt++) {
        expect((await guarded.infer('off', jsonBody([restlessInput]))).status).toBe(403);
      }
      const metrics = await (await guarded.call('/metrics')).text();
      expect(metrics).toMatch(/guard_policy_failures_total\{model="off"\} [1-9]/);
    } finally {
      await storage.run({ sql: 'ALTER TABLE lost RENAME TO policy_versions' });
      await rollBack('off');
    }
  });
});
