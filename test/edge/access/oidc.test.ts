// Tokens of an OpenID provider on a running edge: a real JWKS server, keys made here, and every way in which a token can be wrong.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { sign } from 'hono/jwt';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { problemSchema } from '../../../shared/problem-response.ts';
import { startFixtureServer } from '../../helpers/fixture-server.ts';
import { guardedEdge, jsonBody, resetFixtures } from '../../helpers/guarded-edge.ts';
import { operatorToken } from '../../helpers/operator-edge.ts';

type Jwk = Record<string, unknown> & { kid: string; alg: 'RS256' | 'ES256' | 'EdDSA' };

function ecKey(kid: string): { private: Jwk; public: Jwk } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const named = { kid, alg: 'ES256' as const };
  return {
    private: { ...privateKey.export({ format: 'jwk' }), ...named },
    public: { ...publicKey.export({ format: 'jwk' }), ...named, use: 'sig' },
  };
}

function rsaKey(kid: string, modulusLength: number): { private: Jwk; public: Jwk } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
  const named = { kid, alg: 'RS256' as const };
  return {
    private: { ...privateKey.export({ format: 'jwk' }), ...named },
    public: { ...publicKey.export({ format: 'jwk' }), ...named },
  };
}

const ec = ecKey('ec-1');
const rsa = rsaKey('rsa-1', 2048);
const shortRsa = rsaKey('rsa-short', 1024);
const stranger = ecKey('ec-1');
const served: { keys: unknown[]; status: number } = { keys: [], status: 500 };
const provider = await startFixtureServer((_request, response) => {
  response
    .writeHead(served.status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ keys: served.keys }));
});
afterAll(() => provider.die());

const issuer = 'https://id.example/realms/acme';
const audience = 'nccr-guard-production';
const guarded = guardedEdge({
  bindings: {
    OPERATOR_TOKEN: operatorToken,
    OIDC_ISSUER: issuer,
    OIDC_AUDIENCE: audience,
    OIDC_JWKS_URL: `${provider.url}/jwks`,
    OIDC_SCOPES_CLAIM: '/realm_access/roles',
    OIDC_SCOPE_MAP: '{"guard-admin":["admin"],"guard-user":["infer","verdict"]}',
    OIDC_CLOCK_SKEW_SECONDS: '30',
    RATE_LIMITS: '{"small":{"limit":4,"period":60},"large":{"limit":100000,"period":60}}',
    // The subject that most tests speak of sends more than any small limit takes.
    CALLER_LIMITS: '{"oidc":"large","api_token":"small"}',
  },
});
beforeEach(() => resetFixtures(guarded));

const nowS = () => Math.floor(Date.now() / 1_000);
const claimsOf = (changes: object = {}) => ({
  iss: issuer,
  aud: ['another', audience],
  sub: 'user-7',
  iat: nowS(),
  exp: nowS() + 600,
  realm_access: { roles: ['guard-admin', 'unrelated'] },
  ...changes,
});
const tokenOf = (changes: object = {}, key: Jwk = ec.private) =>
  sign(claimsOf(changes), key as never, key.alg);

const metrics = (token: string) =>
  guarded.call('/metrics', { headers: { authorization: `Bearer ${token}` } });
const base64Url = (value: object | string) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const craft = (header: object, claims: object, signature: (signed: string) => string) => {
  const signed = `${base64Url(header)}.${base64Url(claims)}`;
  return `${signed}.${signature(signed)}`;
};

describe('while the provider’s keys cannot be fetched', () => {
  it('nobody is let in with a token, and the deployment’s own tokens go on', async () => {
    const answer = await metrics(await tokenOf());
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(problemSchema.parse(await answer.json()).code).toBe('credentials_unavailable');
    expect((await metrics(operatorToken)).status).toBe(200);
    served.status = 200;
    served.keys = [{ kty: 'oct', kid: 'secret', k: 'AAAA' }, ec.public, rsa.public, shortRsa.public];
    // A failed fetch is not repeated within a second.
    expect((await metrics(await tokenOf())).status).toBe(503);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await metrics(await tokenOf())).status).toBe(200);
  });
});

describe('a token', () => {
  it('has the limit that is configured for its kind, and each subject its own count', async () => {
    const authorization = `Bearer ${await tokenOf()}`;
    const answer = await guarded.call('/v1/keys/me', { headers: { authorization } });
    expect(answer.headers.get('ratelimit-policy')).toBe('"large";q=100000;w=60');
    expect(await answer.json()).toMatchObject({ id: 'oidc:user-7', rate_limit: 'large' });
    const statuses: number[] = [];
    let last: Response | undefined;
    // The callers' token has a limit by the same variable. Its window may end between two requests.
    for (let sent = 0; sent < 9 && !statuses.includes(429); sent++) {
      last = await guarded.call('/v1/keys/me');
      statuses.push(last.status);
      await last.clone().text();
    }
    expect(statuses).toContain(429);
    expect(last?.headers.get('ratelimit')).toBe('"small";r=0;t=60');
    expect((await metrics(operatorToken)).headers.get('ratelimit-policy')).toBeNull();
    expect((await guarded.call('/v1/keys/me', { headers: { authorization } })).status).toBe(200);
  });

  it('of the provider for this audience opens what its roles are mapped to', async () => {
    for (const key of [ec.private, rsa.private]) {
      expect((await metrics(await tokenOf({}, key))).status).toBe(200);
    }
    const authorization = `Bearer ${await tokenOf({ aud: audience })}`;
    const me = await (await guarded.call('/v1/keys/me', { headers: { authorization } })).json();
    expect(me).toMatchObject({ id: 'oidc:user-7', scopes: ['admin'], models: null });
    const made = await guarded.call('/v1/keys', {
      method: 'POST',
      headers: { authorization },
      body: '{"name":"made by a person","scopes":["infer"]}',
    });
    expect(await made.json()).toMatchObject({ created_by: 'oidc:user-7' });
  });

  it('without the role is told the scope, with one of less opens that much and is not forwarded', async () => {
    const user = await tokenOf({ realm_access: { roles: ['guard-user'] } });
    const refused = await metrics(user);
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="admin"');
    const answer = await guarded.infer('off', jsonBody(), { authorization: `Bearer ${user}` });
    expect(answer.status).toBe(200);
    expect(guarded.upstream.received[0].headers.authorization).toBeUndefined();
    const none = await tokenOf({ realm_access: { roles: 'guard-admin-not' } });
    expect((await metrics(none)).status).toBe(403);
    for (const realm_access of [undefined, null, [], { roles: { 0: 'guard-admin' } }]) {
      expect((await metrics(await tokenOf({ realm_access }))).status).toBe(403);
    }
  });

  it('is believed within the skew of clocks and not beyond', async () => {
    const status = async (changes: object) => (await metrics(await tokenOf(changes))).status;
    expect(await status({ exp: nowS() - 20 })).toBe(200);
    expect(await status({ exp: nowS() - 40 })).toBe(401);
    expect(await status({ nbf: nowS() + 20 })).toBe(200);
    expect(await status({ nbf: nowS() + 60 })).toBe(401);
    expect(await status({ iat: nowS() + 60 })).toBe(401);
  });

  it.each([
    ['another issuer', { iss: 'https://id.example/realms/other' }],
    ['an issuer that only begins the same', { iss: `${issuer}/x` }],
    ['no issuer', { iss: undefined }],
    ['another audience', { aud: 'another' }],
    ['no audience', { aud: undefined }],
    ['no end', { exp: undefined }],
    ['an end that is no number', { exp: '9999999999' }],
    ['an end beyond time', { exp: 1e300 }],
    ['no subject', { sub: undefined }],
    ['an endless subject', { sub: 'x'.repeat(256) }],
  ])('with %s is nobody’s', async (_what, changes) => {
    const answer = await metrics(await tokenOf(changes));
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    expect(problemSchema.parse(await answer.json()).detail).toBe('a valid bearer token is needed');
  });

  it('that is signed otherwise is nobody’s: none, a secret, a stranger’s key, a short key, another algorithm', async () => {
    const hmac = (secret: string) => (signed: string) =>
      createHmac('sha256', secret).update(signed).digest('base64url');
    const header = { typ: 'JWT', kid: 'ec-1' };
    const good = await tokenOf();
    const [head, body, signature] = good.split('.');
    const tampered = base64Url(claimsOf({ sub: 'user-8' }));
    for (const token of [
      craft({ ...header, alg: 'none' }, claimsOf(), () => ''),
      craft({ ...header, alg: 'None' }, claimsOf(), () => 'AAAA'),
      craft({ ...header, alg: 'HS256' }, claimsOf(), hmac(JSON.stringify(ec.public))),
      craft({ ...header, alg: 'HS256', kid: 'secret' }, claimsOf(), hmac('\0\0\0')),
      craft({ ...header, alg: 'RS256' }, claimsOf(), () => signature),
      craft({ alg: 'ES256', typ: 'JWT' }, claimsOf(), () => signature),
      craft({ ...header, alg: 'ES256', crit: ['exp'] }, claimsOf(), () => signature),
      await tokenOf({}, stranger.private),
      await tokenOf({}, shortRsa.private),
      `${head}.${tampered}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${good}.${signature}`,
    ]) {
      expect((await metrics(token)).status, token).toBe(401);
    }
    expect((await metrics(good)).status).toBe(200);
  });

  it('may be of RFC 9068’s type, of no other', async () => {
    const typed = async (typ: string) => {
      const [, body] = (await tokenOf()).split('.');
      const signed = `${base64Url({ alg: 'ES256', kid: 'ec-1', typ })}.${body}`;
      const key = await crypto.subtle.importKey(
        'jwk',
        ec.private,
        { name: 'ECDSA', namedCurve: 'P-256' },
        false,
        ['sign'],
      );
      const signature = await crypto.subtle.sign(
        { name: 'ECDSA', hash: 'SHA-256' },
        key,
        Buffer.from(signed),
      );
      return (await metrics(`${signed}.${Buffer.from(signature).toString('base64url')}`)).status;
    };
    expect(await typed('at+jwt')).toBe(200);
    expect(await typed('application/at+jwt')).toBe(200);
    expect(await typed('logout+jwt')).toBe(401);
  });

  it('with a key that is not known makes the guard ask at most once in a while', async () => {
    const before = provider.received.length;
    for (let index = 0; index < 20; index++) {
      expect((await metrics(await tokenOf({}, ecKey(`unknown-${index}`).private))).status).toBe(401);
    }
    expect(provider.received.length - before).toBeLessThanOrEqual(1);
  });
});
