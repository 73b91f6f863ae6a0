import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type WebhookPayload,
  webhookPayloadSchema,
  webhookSecretSchema,
  webhookSecretsSchema,
} from '../../../shared/contracts/webhook.ts';
import { type AttemptOptions, attemptWebhook } from '../../../shared/webhook/attempt-webhook.ts';
import { deliverWebhook } from '../../../shared/webhook/deliver-webhook.ts';
import { lookupOverHttps } from '../../../shared/webhook/lookup-over-https.ts';
import { signWebhook } from '../../../shared/webhook/sign-webhook.ts';
import { webhookTarget } from '../../../shared/webhook/webhook-target.ts';
import { type FixtureServer, startFixtureServer } from '../../helpers/fixture-server.ts';

const older = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
const newer = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;
const payload: WebhookPayload = {
  type: 'screening.completed',
  timestamp: '2026-05-04T03:02:01.000Z',
  data: {
    id: 'scr_1',
    model: 'signs',
    dataset_digest: `sha256:${'0'.repeat(64)}`,
    examples: 1000,
    poisoned: [33],
    suspects: 12,
  },
};
const message = { id: 'msg_1', body: JSON.stringify(payload) };

let receiver: FixtureServer;
beforeEach(async () => {
  receiver = await startFixtureServer((_, response) => response.writeHead(204).end());
});
afterEach(() => receiver.die());

function attemptWith(options: Partial<AttemptOptions> = {}) {
  return attemptWebhook(message, {
    target: webhookTarget(`${receiver.url}/hook`, { loopback: true }),
    secrets: [older],
    timeoutMs: 2000,
    fetch,
    nowMs: Date.now,
    ...options,
  });
}

/** Drives a delivery to the receiver and notes how long it would have waited. */
async function deliver(delaysMs: readonly number[]) {
  const waits: [number, number][] = [];
  const delivery = await deliverWebhook({
    attempt: () => attemptWith(),
    wait: async (...each) => void waits.push(each),
    delaysMs,
  });
  return { delivery, waits };
}

describe('a signature', () => {
  it('is that of the published example', () => {
    // Standard Webhooks' own libraries test with this secret, id, time and payload.
    const headers = signWebhook(
      { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' },
      { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], sentAtMs: 1614265330_000 },
    );
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
    expect(headers['webhook-timestamp']).toBe('1614265330');
  });

  it('of two secrets is taken by whoever has either, and by nobody who has another', () => {
    const headers = signWebhook(message, { secrets: [newer, older], sentAtMs: Date.now() });
    for (const secret of [older, newer]) {
      expect(new Webhook(secret).verify(message.body, headers)).toEqual(payload);
    }
    const stranger = new Webhook(Buffer.alloc(32, 3).toString('base64'));
    expect(() => stranger.verify(message.body, headers)).toThrow(/No matching signature/);
    expect(() => new Webhook(older).verify(`${message.body} `, headers)).toThrow(/No matching signature/);
  });
});

describe('secrets', () => {
  it.each([
    [older, true],
    [newer, true],
    [`whsec_${Buffer.alloc(64, 1).toString('base64')}`, true],
    [`whsec_${Buffer.alloc(23, 1).toString('base64')}`, false],
    [`whsec_${Buffer.alloc(65, 1).toString('base64')}`, false],
    [Buffer.alloc(32, 1).toString('base64'), false],
    ['whsec_', false],
    ['whsec_not base64 at all, but long enough', false],
  ])('such as %s are taken: %s', (secret, taken) => {
    expect(webhookSecretSchema.safeParse(secret).success).toBe(taken);
  });

  it('are one or two', () => {
    expect(webhookSecretsSchema.safeParse([]).success).toBe(false);
    expect(webhookSecretsSchema.safeParse([newer, older]).success).toBe(true);
    expect(webhookSecretsSchema.safeParse([newer, older, older]).success).toBe(false);
  });
});

describe('the payload', () => {
  it('is strict, and says no more of a failure than the problem answer does', () => {
    expect(webhookPayloadSchema.parse(payload)).toEqual(payload);
    const data = { ...payload.data, suspects_rows: [1] };
    expect(webhookPayloadSchema.safeParse({ ...payload, data }).success).toBe(false);
    const { timestamp } = payload;
    const ended = { id: 'scr_1', model: 'signs' };
    expect(
      webhookPayloadSchema.safeParse({ type: 'screening.cancelled', timestamp, data: ended }).success,
    ).toBe(true);
    expect(webhookPayloadSchema.safeParse({ type: 'screening.failed', timestamp, data: ended }).success).toBe(
      false,
    );
  });
});

describe('an attempt', () => {
  it('posts the exact body, signed so that the package’s own verifier takes it', async () => {
    expect(await attemptWith()).toEqual({ outcome: 'delivered', status: 204 });
    const [{ method, path, headers, body }] = receiver.received;
    expect([method, path, headers['content-type']]).toEqual(['POST', '/hook', 'application/json']);
    expect(new Webhook(older).verify(body.toString(), headers as Record<string, string>)).toEqual(payload);
  });

  it('never follows a redirect, and does not try it again', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      receiver.behaviour = (_, response) => response.writeHead(status, { location: '/inside' }).end();
      expect(await attemptWith()).toMatchObject({ outcome: 'failed', retry: false });
    }
    expect(receiver.received.map(({ path }) => path)).toEqual(Array(5).fill('/hook'));
  });

  it('gives up for good where the receiver is gone, and on no other status', async () => {
    for (const status of [400, 401, 404, 408, 410, 429, 500, 503]) {
      receiver.behaviour = (_, response) => response.writeHead(status).end('no');
      expect(await attemptWith()).toEqual({
        outcome: 'failed',
        reason: `the answer has status ${status}`,
        retry: status !== 410,
      });
    }
  });

  it('ends in time where the receiver keeps still', async () => {
    receiver.behaviour = () => {};
    const begun = performance.now();
    expect(await attemptWith({ timeoutMs: 100 })).toEqual({
      outcome: 'failed',
      reason: 'no answer within 100 ms',
      retry: true,
    });
    expect(performance.now() - begun).toBeLessThan(1500);
  });

  it('does not read an endless answer', async () => {
    receiver.behaviour = (_, response) => {
      response.writeHead(200);
      const more = setInterval(() => response.write('x'.repeat(1000)), 1);
      response.on('close', () => clearInterval(more));
    };
    expect(await attemptWith()).toEqual({ outcome: 'delivered', status: 200 });
  });

  it('says no more than that where the connection is refused', async () => {
    const target = webhookTarget(`${receiver.url}/hook`, { loopback: true });
    await receiver.die();
    const attempt = await attemptWith({ target });
    await receiver.revive();
    expect(attempt).toEqual({ outcome: 'failed', reason: 'the host cannot be reached', retry: true });
  });

  it('reads how long the receiver asks to wait, in seconds or as a date', async () => {
    const asks = async (retryAfter: string) => {
      receiver.behaviour = (_, response) => response.writeHead(503, { 'retry-after': retryAfter }).end();
      const attempt = await attemptWith({ nowMs: () => Date.parse('2026-05-04T03:02:01Z') });
      return attempt.outcome === 'failed' ? attempt.retryAfterMs : 'delivered';
    };
    expect(await asks('7')).toBe(7000);
    expect(await asks('Mon, 04 May 2026 03:02:11 GMT')).toBe(10_000);
    expect(await asks('Mon, 04 May 2026 03:00:00 GMT')).toBe(0);
    expect(await asks('soon')).toBeUndefined();
  });

  it('calls a host only where every address that it has is public', async () => {
    const target = webhookTarget('https://hooks.acme.com/');
    const called: string[] = [];
    const spy = async (url: string) => {
      called.push(url);
      return new Response(null, { status: 200 });
    };
    const attempt = (addresses: readonly string[]) =>
      attemptWith({ target, fetch: spy, lookup: async () => addresses });
    expect(await attempt(['10.0.0.1'])).toMatchObject({ outcome: 'failed', retry: false });
    expect(await attempt(['8.8.8.8', '::1'])).toMatchObject({ outcome: 'failed', retry: false });
    expect(await attempt([])).toMatchObject({ outcome: 'failed', retry: true });
    expect(called).toEqual([]);
    expect(await attempt(['8.8.8.8', '2606:4700::1'])).toEqual({ outcome: 'delivered', status: 200 });
    expect(called).toEqual(['https://hooks.acme.com/']);
  });
});

describe('a delivery', () => {
  it('tries again after each failure, with one id and a signature of its own time, until it is taken', async () => {
    const statuses = [500, 503, 200];
    receiver.behaviour = (_, response) => response.writeHead(statuses[receiver.received.length - 1]).end();
    const { delivery, waits } = await deliver([10, 20, 30]);
    expect(delivery).toEqual({ delivered: true, attempts: 3 });
    expect(waits).toEqual([
      [10, 2],
      [20, 3],
    ]);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('ends after as many attempts as there are waits, and one', async () => {
    receiver.behaviour = (_, response) => response.writeHead(500).end();
    const { delivery, waits } = await deliver([1, 2]);
    expect(delivery).toEqual({ delivered: false, attempts: 3, reason: 'the answer has status 500' });
    expect(waits).toHaveLength(2);
    expect(receiver.received).toHaveLength(3);
  });

  it('ends at once where the receiver is gone', async () => {
    receiver.behaviour = (_, response) => response.writeHead(410).end();
    const { delivery } = await deliver([1, 2]);
    expect(delivery).toEqual({ delivered: false, attempts: 1, reason: 'the answer has status 410' });
  });

  it('waits as long as the receiver asks, but not for ever', async () => {
    const asked = ['60', '999999999'];
    receiver.behaviour = (_, response) =>
      response.writeHead(429, { 'retry-after': asked[receiver.received.length - 1] ?? '0' }).end();
    const { waits } = await deliver([10, 20, 30]);
    expect(waits.map(([delayMs]) => delayMs)).toEqual([60_000, 7_200_000, 30]);
  });

  it('finds a receiver that comes back', async () => {
    await receiver.die();
    const delivery = await deliverWebhook({
      attempt: () => attemptWith(),
      wait: () => receiver.revive(),
      delaysMs: [1],
    });
    expect(delivery).toEqual({ delivered: true, attempts: 2 });
  });
});

describe('a lookup over HTTPS', () => {
  it('asks for both kinds of address and leaves names out', async () => {
    receiver.behaviour = ({ path }, response) => {
      const type = new URL(path, 'http://resolver').searchParams.get('type');
      const address = type === 'A' ? { type: 1, data: '192.0.2.7' } : { type: 28, data: '2606:4700::1' };
      const Answer = [{ name: 'a', type: 5, data: 'other.acme.com.' }, address];
      response.writeHead(200, { 'content-type': 'application/dns-json' }).end(JSON.stringify({ Answer }));
    };
    const lookup = lookupOverHttps({ resolver: new URL(`${receiver.url}/dns-query`), fetch });
    expect(await lookup('hooks.acme.com', AbortSignal.timeout(2000))).toEqual(['192.0.2.7', '2606:4700::1']);
    expect(receiver.received[0].path).toBe('/dns-query?name=hooks.acme.com&type=A');
    expect(receiver.received[0].headers.accept).toBe('application/dns-json');
  });

  it('finds nothing for an unknown host, and throws where the resolver fails', async () => {
    const lookup = lookupOverHttps({ resolver: new URL(receiver.url), fetch });
    receiver.behaviour = (_, response) => response.writeHead(200).end('{"Status":3}');
    expect(await lookup('nowhere.acme.com', AbortSignal.timeout(2000))).toEqual([]);
    receiver.behaviour = (_, response) => response.writeHead(500).end();
    await expect(lookup('hooks.acme.com', AbortSignal.timeout(2000))).rejects.toThrow(/status 500/);
  });
});
