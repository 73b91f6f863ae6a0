import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { Webhook } from 'standardwebhooks';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reportJson } from '../../shared/screening-report/report-json.ts';
import { type ReportRequest, reportAnswer } from '../fixtures/report-worker.ts';
import { type FixtureServer, startFixtureServer } from '../helpers/fixture-server.ts';
import { screenedReport } from '../helpers/screened-report.ts';

const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;

let miniflare: Miniflare;
let receiver: FixtureServer;
let request: ReportRequest;
beforeAll(async () => {
  receiver = await startFixtureServer((_, response) => response.writeHead(200).end('thanks'));
  const report = reportJson(await screenedReport());
  request = { report, webhook: { url: `${receiver.url}/hook`, secrets: [secret], timeoutMs: 2000 } };
  const bundle = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      lib: {
        entry: fileURLToPath(new URL('../fixtures/report-worker.ts', import.meta.url)),
        formats: ['es'],
        fileName: 'worker',
      },
    },
  });
  const [{ output }] = Array.isArray(bundle) ? bundle : [];
  // Without the compatibility with Node that the edge has: the modules need none.
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      cf: false,
      log: new Log(LogLevel.ERROR),
      workers: [
        {
          name: 'report',
          compatibilityDate: '2026-07-01',
          modules: [{ type: 'ESModule', path: 'worker.js', contents: output[0].code }],
        },
      ],
    }),
  );
  await miniflare.ready;
});
afterAll(async () => {
  await miniflare.dispose();
  await receiver.die();
});

async function askWorkerd(asked: ReportRequest): Promise<Awaited<ReturnType<typeof reportAnswer>>> {
  const response = await miniflare.dispatchFetch('http://report/', {
    method: 'POST',
    body: JSON.stringify(asked),
  });
  return (await response.json()) as Awaited<ReturnType<typeof reportAnswer>>;
}

it('renders the same bytes in workerd as in Node, and refuses the same addresses', async () => {
  const { attempt, ...rendered } = await askWorkerd(request);
  const { attempt: _, ...expected } = await reportAnswer(request);
  expect(rendered).toEqual(expected);
  expect(attempt).toEqual({ outcome: 'delivered', status: 200 });
});

it('signs in workerd what the package verifies in Node', () => {
  const [{ headers, body }] = receiver.received;
  expect(new Webhook(secret).verify(body.toString(), headers as Record<string, string>)).toEqual({
    type: 'test',
  });
});

it('follows no redirect and waits no longer than it may in workerd', async () => {
  receiver.behaviour = (_, response) => response.writeHead(307, { location: '/inside' }).end();
  const before = receiver.received.length;
  expect((await askWorkerd(request)).attempt).toMatchObject({ outcome: 'failed', retry: false });
  expect(receiver.received.slice(before).map(({ path }) => path)).toEqual(['/hook']);
  receiver.behaviour = () => {};
  const hurried = { ...request, webhook: { ...request.webhook, timeoutMs: 200 } };
  expect((await askWorkerd(hurried)).attempt).toEqual({
    outcome: 'failed',
    reason: 'no answer within 200 ms',
    retry: true,
  });
});
