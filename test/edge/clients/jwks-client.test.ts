// How long a provider's keys are believed, by a clock that the test moves and a server that it breaks.
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  failedFetchPauseMs,
  jwksAgeInOutageMsMax,
  jwksAgeMsMax,
  jwksClient,
  unknownKeyPauseMs,
} from '../../../edge/clients/jwks-client.ts';
import { startFixtureServer } from '../../helpers/fixture-server.ts';

const provider = await startFixtureServer(() => undefined);
afterAll(() => provider.die());
const url = new URL('/jwks', provider.url);
const { publicKey } = generateKeyPairSync('ed25519');
const keyOf = (kid: string, changes: object = {}) => ({
  ...publicKey.export({ format: 'jwk' }),
  kid,
  ...changes,
});
let at = 0;
const client = () => jwksClient({ url, now: () => at });
const asked = () => provider.received.length;
const serve = (body: string, status = 200, headers: Record<string, string> = {}) => {
  provider.behaviour = (_request, response) => response.writeHead(status, headers).end(body);
};
const serveKeys = (...keys: object[]) => serve(JSON.stringify({ keys }));

beforeEach(() => {
  at = 1_000_000;
  provider.received.length = 0;
  serveKeys(keyOf('a'));
});

describe('keys', () => {
  it('are fetched once for their age', async () => {
    const jwks = client();
    expect(await jwks.find('a')).toMatchObject({ kid: 'a', kty: 'OKP' });
    at += jwksAgeMsMax - 1;
    await jwks.find('a');
    expect(asked()).toBe(1);
    serveKeys(keyOf('b'));
    at += 1;
    expect(await jwks.find('a')).toBeUndefined();
    expect(asked()).toBe(2);
  });

  it('that are new are found after a pause', async () => {
    const jwks = client();
    await jwks.find('a');
    serveKeys(keyOf('a'), keyOf('b'));
    at += unknownKeyPauseMs - 1;
    expect(await jwks.find('b')).toBeUndefined();
    expect(asked()).toBe(1);
    at += 1;
    expect(await jwks.find('b')).toBeDefined();
  });

  it('that are known outlive an outage, but not for ever; others are nobody’s to judge', async () => {
    const jwks = client();
    await jwks.find('a');
    serve('', 500);
    at += jwksAgeMsMax;
    expect(await jwks.find('a')).toBeDefined();
    expect(asked()).toBe(2);
    await expect(jwks.find('b')).rejects.toMatchObject({
      code: 'credentials_unavailable',
      retryAfterSeconds: 1,
    });
    at += failedFetchPauseMs - 1;
    expect(await jwks.find('a')).toBeDefined();
    expect(asked()).toBe(2);
    at = 1_000_000 + jwksAgeInOutageMsMax;
    await expect(jwks.find('a')).rejects.toMatchObject({ code: 'credentials_unavailable' });
  });

  it('of another kind, for encryption, without an id or too short are left out', async () => {
    const key = keyOf('x');
    serveKeys(
      { ...key, use: 'enc' },
      { ...key, kty: 'oct', k: 'AAAA' },
      { ...key, kid: '' },
      { ...key, kty: 'RSA', n: 'AQAB' },
      keyOf('good'),
    );
    const jwks = client();
    expect(await jwks.find('x')).toBeUndefined();
    expect(await jwks.find('good')).toBeDefined();
  });
});

describe('an answer', () => {
  it.each([
    ['that is no JSON', () => serve('<html>')],
    ['without keys', () => serve('{}')],
    ['with too many', () => serveKeys(...Array.from({ length: 101 }, (_, index) => keyOf(`k${index}`)))],
    ['that is too large', () => serve(`{"keys":[],"x":"${'x'.repeat(256 * 1024)}"}`)],
    ['that redirects', () => serve('', 302, { location: `${provider.url}/elsewhere` })],
    ['that is an error', () => serve('{"keys":[]}', 404)],
    ['that breaks off', () => (provider.behaviour = (_request, response) => response.destroy())],
  ])('%s is none', async (_what, break_) => {
    break_();
    await expect(client().find('a')).rejects.toMatchObject({ code: 'credentials_unavailable' });
    expect(asked()).toBe(1);
  });
});
