// A token of the operators' own: callers can no longer read the scores that they would climb.
import { beforeEach, describe, expect, it } from 'vitest';
import { problemSchema } from '../../shared/problem-response.ts';
import { guardedEdge, jsonBody, resetFixtures } from '../helpers/guarded-edge.ts';

const operatorToken = 'a-token-of-the-operators-0123456789';
const operator = { authorization: `Bearer ${operatorToken}` };
const guarded = guardedEdge({ bindings: { OPERATOR_TOKEN: operatorToken } });
beforeEach(() => resetFixtures(guarded));

const json = { 'content-type': 'application/json' };
const unknownId = `gv_${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}`;
const routes = [
  ['GET', '/metrics', 200],
  ['GET', `/v1/verdicts/${unknownId}`, 404],
  ['POST', `/v1/verdicts/${unknownId}/replay`, 404],
  ['POST', '/v1/guard/verdicts?model=enforce', 200],
  ['POST', '/v1/guard/%76erdicts?model=enforce', 200],
] as const;

describe('where operators have a token', () => {
  it.each(routes)('%s %s is closed to callers and open to operators', async (method, path, status) => {
    const init = method === 'GET' ? { method } : { method, body: jsonBody() };
    const asCaller = await guarded.call(path, { ...init, headers: json });
    expect(asCaller.status).toBe(403);
    expect(problemSchema.parse(await asCaller.json()).code).toBe('insufficient_scope');
    const asNobody = await guarded.call(path, { ...init, headers: { ...json, authorization: 'Bearer x' } });
    expect(asNobody.status).toBe(401);
    const asOperator = await guarded.call(path, { ...init, headers: { ...json, ...operator } });
    expect(asOperator.status).toBe(status);
    expect(guarded.upstream.received).toEqual([]);
  });

  it('everything else is open to callers, and to operators too', async () => {
    expect((await guarded.infer('enforce')).status).toBe(200);
    expect((await guarded.infer('enforce', jsonBody(), operator)).status).toBe(200);
    expect((await guarded.call('/v2')).status).toBe(200);
    expect((await guarded.call('/v2', { headers: { authorization: 'Bearer x' } })).status).toBe(401);
  });
});
