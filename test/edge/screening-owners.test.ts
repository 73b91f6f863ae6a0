// Who may screen and who is told: tokens, the signed webhook, and the same report by the offline command.

import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { type WebhookPayload, webhookPayloadSchema } from '../../shared/contracts/webhook.ts';
import { type FixtureServer, startFixtureServer } from '../helpers/fixture-server.ts';
import { offlineReport } from '../helpers/offline-report.ts';
import {
  digitFiles,
  type ScreeningWorker,
  screeningClient,
  screeningEdgeOptions,
  startScreeningWorker,
} from '../helpers/screening-edge.ts';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const [apiToken, operatorToken] = ['a-token-of-the-callers-01234', 'a-token-of-the-operators-01234'];
let worker: ScreeningWorker;
let receiver: FixtureServer;
let edge: RunningEdge;
const client = screeningClient(() => edge.url, operatorToken);

beforeAll(async () => {
  worker = await startScreeningWorker();
  receiver = await startFixtureServer((_request, response) => void response.writeHead(204).end());
  const bindings = {
    AUTH: 'token',
    API_TOKEN: apiToken,
    OPERATOR_TOKEN: operatorToken,
    WEBHOOK_SECRETS: secret,
    WEBHOOK_LOOPBACK: 'allow',
    WEBHOOK_RETRY_SECONDS: '1 2 1',
  };
  edge = await startEdge(screeningEdgeOptions(worker.url, { bindings, onLog: () => undefined }));
});

afterAll(async () => {
  await edge?.stop();
  await receiver?.die();
  await worker?.stop();
});

describe('screenings', () => {
  it("need the operators' token on each of their routes", async () => {
    const { id } = await client.create();
    const paths = [
      ['POST', ''],
      ['GET', ''],
      ['GET', `/${id}`],
      ['DELETE', `/${id}`],
      ['GET', `/${id}/events`],
      ['GET', `/${id}/report`],
      ['GET', `/${id}/report.csv`],
      ['GET', `/${id}/report.html`],
      ['POST', `/${id}/cancel`],
      ['POST', `/${id}/complete`],
      ['PUT', `/${id}/parts/1`],
    ];
    for (const [token, status] of [
      [undefined, 401],
      ['another-token-0123456789', 401],
      [apiToken, 403],
    ] as const) {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      for (const [method, path] of paths) {
        const answer = await fetch(new URL(`/v1/screenings${path}`, edge.url), { method, headers });
        expect(answer.status, `${method} ${path}`).toBe(status);
      }
    }
    expect((await client.read(id)).state).toBe('uploading');
  });

  it('give the report that the offline command gives of the same data, key and seed, to the byte', async () => {
    const files = digitFiles(300, (row) => row % 3);
    const { id } = await client.submit(files, { dataset: 'digits', options: { seed: 9 } });
    expect((await client.ended(id)).state).toBe('completed');
    const offline = await offlineReport(files, { dataset: 'digits', format: 'idx', seed: 9 });
    expect(await client.report(id)).toBe(offline);
  });
});

describe('the webhook of a screening', () => {
  it('tells its end, signed, of a completed, a failed and a cancelled job', async () => {
    const webhook = `${receiver.url}/screened`;
    const completed = await client.ended(
      (
        await client.submit(
          digitFiles(170, (row) => row % 2),
          { webhook },
        )
      ).id,
    );
    const failed = await client.ended(
      (
        await client.submit(
          digitFiles(20, () => 4),
          { webhook },
        )
      ).id,
    );
    const { id: cancelled } = await client.create({ webhook });
    await client.call(`/v1/screenings/${cancelled}/cancel`, { method: 'POST' });
    expect(await told(completed.id)).toMatchObject({
      type: 'screening.completed',
      data: {
        id: completed.id,
        examples: 170,
        dataset_digest: completed.dataset_digest,
        poisoned: completed.poisoned,
      },
    });
    expect(await told(failed.id)).toMatchObject({
      type: 'screening.failed',
      data: { id: failed.id, failure: { code: 'invalid_dataset' } },
    });
    expect(await told(cancelled)).toMatchObject({ type: 'screening.cancelled', data: { id: cancelled } });
    expect(receiver.received).toHaveLength(3);
  });

  it('is tried again by a job whose receiver answers 500 twice, with the same id and body and a signature each time', async () => {
    const answers = [500, 500, 200];
    const flaky = await startFixtureServer((_request, response) => {
      response.writeHead(answers.shift() ?? 500).end();
    });
    try {
      const { id } = await client.submit(
        digitFiles(170, (row) => row % 2),
        { webhook: `${flaky.url}/screened` },
      );
      expect(await client.ended(id)).toMatchObject({ state: 'completed' });
      await expect.poll(() => flaky.received.length, { timeout: 30_000, interval: 100 }).toBe(3);
      const events = flaky.received.map(({ headers, body }) => {
        // Throws where signature or time are wrong.
        const event = new Webhook(secret).verify(body.toString(), headers as Record<string, string>);
        return { id: headers['webhook-id'], event: webhookPayloadSchema.parse(event) };
      });
      expect(events[0]).toMatchObject({
        id: `msg_${id}`,
        event: { type: 'screening.completed', data: { id, examples: 170 } },
      });
      expect(events.slice(1)).toEqual([events[0], events[0]]);
      // What was taken is not sent again: the next delay is a second.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      expect(flaky.received).toHaveLength(3);
    } finally {
      await flaky.die();
    }
  }, 90_000);

  it('goes to no address inside', async () => {
    for (const webhook of ['http://10.0.0.1/x', 'https://metadata.internal/x', 'ftp://hooks.acme.com/x']) {
      await expect(client.create({ webhook })).rejects.toThrow('status 400');
    }
  });
});

/** What the receiver was told of a job; it verifies the signature as its owner would. */
async function told(id: string): Promise<WebhookPayload> {
  const isOf = ({ body }: { body: Buffer }) => body.toString().includes(id);
  await expect.poll(() => receiver.received.some(isOf), { timeout: 20_000 }).toBe(true);
  const { body, headers } = receiver.received.find(isOf)!;
  return webhookPayloadSchema.parse(new Webhook(secret).verify(body, headers as Record<string, string>));
}
