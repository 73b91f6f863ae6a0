// A limit whose count fails: what becomes of the request is configured, and counted.
import { describe, expect, it } from 'vitest';
import { takeRequest } from '../../../edge/access/rate-limits.ts';

const caller = { id: 'oidc:user-7', rateLimit: 'small' } as const;

/** Takes one request against a binding, and says what was told of failures. */
async function take(limit: () => Promise<{ success: boolean }>, rateLimitFailure: 'pass' | 'refuse') {
  const told: string[] = [];
  const rateLimits = new Map([['small', { limit: 3, windowSeconds: 60, binding: { limit } }]] as const);
  const limiting = { rateLimits, rateLimitFailure, onFailure: (outcome: string) => void told.push(outcome) };
  const taken = await takeRequest(caller, limiting).catch((thrown: unknown) => thrown);
  return { taken, told };
}

describe.each([
  ['fails', () => Promise.reject(new Error('no count'))],
  ['throws', () => Promise.resolve().then(() => JSON.parse('{'))],
  ['never answers', () => new Promise<never>(() => undefined)],
])('a binding that %s', (_, limit) => {
  it('lets the request pass where the configuration says so, and it is counted', async () => {
    expect(await take(limit, 'pass')).toEqual({ taken: '"small";q=3;w=60', told: ['allowed'] });
  });

  it('refuses it where the configuration says so, with when to come back', async () => {
    const { taken, told } = await take(limit, 'refuse');
    expect(taken).toMatchObject({ code: 'overloaded', retryAfterSeconds: 1 });
    expect(told).toEqual(['blocked']);
  });
});

it('refuses what is more than the limit whatever becomes of failures', async () => {
  const { taken, told } = await take(async () => ({ success: false }), 'pass');
  expect(taken).toMatchObject({ code: 'too_many_requests' });
  expect(told).toEqual([]);
});
