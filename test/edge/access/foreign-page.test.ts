// Pages of other sites before a guard that asks for no credentials: they change nothing, and are answered nothing that costs.
import { describe, expect, it } from 'vitest';
import { guardedEdge, jsonBody } from '../../helpers/guarded-edge.ts';

const operatorToken = 'a-token-of-the-operators-0123456789';
const guarded = guardedEdge({ bindings: { AUTH: 'none', OPERATOR_TOKEN: operatorToken } });
const infer = async (headers: Record<string, string>) => {
  const answer = await guarded.infer('off', jsonBody(), { authorization: '', ...headers });
  return [answer.status, answer.status === 200 || (await answer.json())];
};

describe('without credentials', () => {
  it.each(['cross-site', 'same-site'])('a browser that comes from a %s page is refused', async (site) => {
    guarded.upstream.received.length = 0;
    expect(await infer({ 'sec-fetch-site': site })).toMatchObject([403, { code: 'forbidden' }]);
    expect(guarded.upstream.received).toEqual([]);
  });

  it.each(['same-origin', 'none'])('a browser on its own (%s) is answered', async (site) => {
    expect(await infer({ 'sec-fetch-site': site })).toEqual([200, true]);
  });

  it('a browser that names only the origin of its page, as over plain http, is known by that', async () => {
    const { host, port } = guarded.edge.url;
    expect(await infer({ origin: `http://${host}` })).toEqual([200, true]);
    for (const origin of ['http://attacker.example', `http://attacker.example:${port}`, 'null']) {
      expect(await infer({ origin })).toMatchObject([403, { code: 'forbidden' }]);
    }
    // What a page cannot set says more than that.
    expect(await infer({ origin: 'http://attacker.example', 'sec-fetch-site': 'same-origin' })).toEqual([
      200,
      true,
    ]);
  });

  it('a client that is no browser is answered', async () => {
    expect(await infer({})).toEqual([200, true]);
  });

  it('reading is left to the rules of browsers', async () => {
    const headers = { authorization: '', 'sec-fetch-site': 'cross-site' };
    const answer = await guarded.call('/v2', { headers });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('whoever shows a token is not concerned', async () => {
    const headers = { authorization: `Bearer ${operatorToken}`, 'sec-fetch-site': 'cross-site' };
    expect(await infer(headers)).toEqual([200, true]);
  });
});
