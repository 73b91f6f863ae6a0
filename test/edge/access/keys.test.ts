// API keys from their making to their end, on a running edge: told once, kept hashed, limited, expired, revoked, and D1 failing.
import { beforeEach, describe, expect, it } from 'vitest';
import { apiKeySchema } from '../../../shared/contracts/api-key.ts';
import { problemSchema } from '../../../shared/problem-response.ts';
import { guardedEdge, jsonBody, resetFixtures } from '../../helpers/guarded-edge.ts';
import { operatorOf, operatorToken } from '../../helpers/operator-edge.ts';

const RATE_LIMITS = JSON.stringify({ small: { limit: 3, period: 60 }, large: { limit: 1000, period: 10 } });
const guarded = guardedEdge({ bindings: { OPERATOR_TOKEN: operatorToken, RATE_LIMITS } });
const operator = operatorOf(guarded);
beforeEach(() => resetFixtures(guarded));

const post = { method: 'POST', body: jsonBody(), headers: { 'content-type': 'application/json' } };
const inferOff = (key: string) => operator.callWith(key, '/v2/models/off/infer', post);

async function refused(answer: Response, status: number) {
  expect(answer.status).toBe(status);
  return problemSchema.parse(await answer.json());
}

describe('a new key', () => {
  it('is told once, and only a digest of its secret is kept', async () => {
    const { key, ...told } = await operator.createKey({ name: 'billing', scopes: ['infer'] });
    expect(key).toMatch(/^ncg_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    expect(told.id).toBe(`key_${key.slice(4, 36)}`);
    expect(told).toMatchObject({ name: 'billing', created_by: 'operator-token', revoked_at: null });
    const read = await operator.call(`/v1/keys/${told.id}`);
    expect(apiKeySchema.parse(await read.clone().json())).toEqual(told);
    const list = await (await operator.call('/v1/keys?limit=1')).text();
    const secret = key.slice(37);
    const [rows] = await guarded.edge.storage.run({ sql: 'SELECT * FROM api_keys' });
    for (const text of [await read.text(), list, JSON.stringify(rows)]) expect(text).not.toContain(secret);
    expect(list).not.toContain('digest');
    expect((await inferOff(key)).status).toBe(200);
    expect(guarded.upstream.received[0].headers.authorization).toBeUndefined();
  });

  it('learns of itself who it is', async () => {
    const { key, id } = await operator.createKey({ name: 'me', scopes: ['infer'], models: ['off'] });
    const answer = await operator.callWith(key, '/v1/keys/me');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toEqual({
      id,
      name: 'me',
      scopes: ['infer'],
      models: ['off'],
      rate_limit: null,
      expires_at: null,
    });
    expect(await (await operator.call('/v1/keys/me')).json()).toMatchObject({ id: 'operator-token' });
  });

  it.each([
    [{ scopes: [] }, '/scopes'],
    [{ scopes: ['root'] }, '/scopes/0'],
    [{ scopes: ['infer', 'infer'] }, '/scopes'],
    [{ scopes: ['infer'], models: ['nowhere'] }, '/models/0'],
    [{ scopes: ['infer'], models: [] }, '/models'],
    [{ scopes: ['admin'], models: ['off'] }, '/models'],
    [{ scopes: ['infer'], rate_limit: 'medium' }, '/rate_limit'],
    [{ scopes: ['infer'], expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
    [{ scopes: ['infer'], expires_at: 'tomorrow' }, '/expires_at'],
    [{ scopes: ['infer'], name: ' ' }, '/name'],
    [{ scopes: ['infer'], owner: 'me' }, '/'],
  ])('is not made from %j', async (request, pointer) => {
    const body = JSON.stringify({ name: 'of a test', ...request });
    const problem = await refused(await operator.call('/v1/keys', { method: 'POST', body }), 400);
    expect(problem.errors?.[0].pointer).toBe(pointer);
  });

  it('stands in a list by pages, latest first', async () => {
    const made = [];
    for (const name of ['a', 'b', 'c'])
      made.push((await operator.createKey({ name, scopes: ['screen'] })).id);
    const page = async (query: string) =>
      (await (await operator.call(`/v1/keys?${query}`)).json()) as {
        keys: { id: string }[];
        next_cursor: string | null;
      };
    const first = await page('limit=2');
    expect(first.keys.map(({ id }) => id)).toEqual([made[2], made[1]]);
    const second = await page(`limit=1&cursor=${first.next_cursor}`);
    expect(second.keys.map(({ id }) => id)).toEqual([made[0]]);
    await refused(await operator.call('/v1/keys?limit=0'), 400);
    await refused(await operator.call('/v1/keys?cursor=key_1'), 400);
  });
});

describe('a key', () => {
  it('with a wrong secret, of no row, or misshapen, is nobody’s', async () => {
    const { key } = await operator.createKey({ scopes: ['infer'] });
    const last = key.at(-1) === 'A' ? 'B' : 'A';
    for (const wrong of [
      `${key.slice(0, -1)}${last}`,
      `ncg_${'0'.repeat(32)}${key.slice(36)}`,
      key.slice(0, -1),
      `${key}A`,
      key.toUpperCase(),
    ]) {
      const answer = await inferOff(wrong);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
      expect((await refused(answer, 401)).detail).toBe('a valid bearer token is needed');
    }
    expect((await inferOff(key)).status).toBe(200);
  });

  it('of some models is for no other, whether there is such a model or not', async () => {
    const { key } = await operator.createKey({ scopes: ['infer', 'verdict'], models: ['off'] });
    expect((await inferOff(key)).status).toBe(200);
    for (const [path, init] of [
      ['/v2/models/enforce/infer', post],
      ['/v2/models/enforce/versions/3/infer', post],
      ['/v2/models/nowhere/infer', post],
      ['/v2/models/enforce', {}],
      ['/v2/models/enforce/ready', {}],
      ['/v1/guard/verdicts?model=enforce', post],
    ] as const) {
      expect((await refused(await operator.callWith(key, path, init), 403)).code, path).toBe('forbidden');
    }
    expect(guarded.upstream.received).toHaveLength(1);
  });

  it('of some models sees the screenings of these alone', async () => {
    const of = async (model: string) =>
      (await operator.createKey({ scopes: ['screen'], models: [model] })).key;
    const [own, another] = [await of('off'), await of('enforce')];
    const create = (key: string, model: string) =>
      operator.callWith(key, '/v1/screenings', {
        method: 'POST',
        headers: { 'idempotency-key': `of-${model}` },
        body: JSON.stringify({ model, format: 'npz' }),
      });
    await refused(await create(another, 'off'), 403);
    const made = await create(own, 'off');
    expect(made.status).toBe(202);
    const { id } = (await made.json()) as { id: string };
    expect((await operator.callWith(own, `/v1/screenings/${id}`)).status).toBe(200);
    expect(await (await operator.callWith(own, '/v1/screenings')).text()).toContain(id);
    await refused(await operator.callWith(another, `/v1/screenings/${id}`), 404);
    await refused(await operator.callWith(another, `/v1/screenings/${id}`, { method: 'DELETE' }), 404);
    expect(await (await operator.callWith(another, '/v1/screenings')).text()).not.toContain(id);
  });

  it('that has expired is nobody’s from that instant on', async () => {
    const expires_at = new Date(Date.now() + 1_500).toISOString();
    const { key } = await operator.createKey({ scopes: ['infer'], expires_at });
    expect((await inferOff(key)).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    expect((await inferOff(key)).status).toBe(401);
  });

  it('that was revoked is nobody’s at once where it was revoked, and keeps its row', async () => {
    const { key, id } = await operator.createKey({ scopes: ['infer'] });
    expect((await inferOff(key)).status).toBe(200);
    expect((await operator.call(`/v1/keys/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await inferOff(key)).status).toBe(401);
    const revoked = apiKeySchema.parse(await (await operator.call(`/v1/keys/${id}`)).json());
    expect(revoked.revoked_at).not.toBeNull();
    // Once more is no error and changes nothing.
    expect((await operator.call(`/v1/keys/${id}`, { method: 'DELETE' })).status).toBe(204);
    expect(await (await operator.call(`/v1/keys/${id}`)).json()).toEqual(revoked);
    await refused(await operator.call(`/v1/keys/key_${'0'.repeat(32)}`, { method: 'DELETE' }), 404);
  });
});

describe('where the database fails', () => {
  it('a key that is known goes on, an unknown one is told to come back, and nobody is let in', async () => {
    const known = await operator.createKey({ scopes: ['infer'] });
    const unseen = await operator.createKey({ scopes: ['infer'] });
    expect((await inferOff(known.key)).status).toBe(200);
    await guarded.edge.storage.run({ sql: 'ALTER TABLE api_keys RENAME TO api_keys_away' });
    try {
      // Longer than a key is believed without asking.
      await new Promise((resolve) => setTimeout(resolve, 5_200));
      expect((await inferOff(known.key)).status).toBe(200);
      const answer = await inferOff(unseen.key);
      expect(answer.headers.get('retry-after')).toBe('1');
      expect((await refused(answer, 503)).code).toBe('credentials_unavailable');
      expect((await inferOff(`ncg_${'1'.repeat(32)}_${'A'.repeat(43)}`)).status).toBe(503);
      await refused(await operator.call('/v1/keys'), 503);
    } finally {
      await guarded.edge.storage.run({ sql: 'ALTER TABLE api_keys_away RENAME TO api_keys' });
    }
    expect((await inferOff(unseen.key)).status).toBe(200);
  });
});

describe('a limit', () => {
  it('refuses what is more than it, with when to come back, and counts each key by itself', async () => {
    const limited = await operator.createKey({ scopes: ['infer'], rate_limit: 'small' });
    const other = await operator.createKey({ scopes: ['infer'], rate_limit: 'small' });
    let answer = await inferOff(limited.key);
    // The window may end between two requests; two of its size do not fit into one.
    for (let sent = 1; sent < 8 && answer.status === 200; sent++) {
      expect(answer.headers.get('ratelimit-policy')).toBe('"small";q=3;w=60');
      expect(answer.headers.get('ratelimit')).toBeNull();
      await answer.arrayBuffer();
      answer = await inferOff(limited.key);
    }
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'ratelimit-policy': '"small";q=3;w=60',
      ratelimit: '"small";r=0;t=60',
      'retry-after': '60',
      'content-type': 'application/problem+json',
    });
    expect((await refused(answer, 429)).code).toBe('too_many_requests');
    expect((await inferOff(other.key)).status).toBe(200);
    const free = await operator.createKey({ scopes: ['infer'] });
    for (let sent = 0; sent < 5; sent++) expect((await inferOff(free.key)).status).toBe(200);
  });

  it('counts what is refused for want of a scope too', async () => {
    const { key } = await operator.createKey({ scopes: ['verdict'], rate_limit: 'small' });
    const statuses = [];
    for (let sent = 0; sent < 7; sent++) statuses.push((await inferOff(key)).status);
    expect(statuses[0]).toBe(403);
    expect(statuses).toContain(429);
  });
});
