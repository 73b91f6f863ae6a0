// The conformance suite finds what a server does wrong: one fault at a time, each put into a server that has none.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOipApp } from '../../../gpu-worker/app.ts';
import {
  type ConformanceReport,
  reportDifferences,
  runConformance,
} from '../../../gpu-worker/conformance/run-conformance.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { loadPlainModel } from '../../../gpu-worker/served-model.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

const model = 'mnist-lenet5';

/** Changes an answer on its way. */
type Fault = (answer: Response, request: Request) => Response | Promise<Response>;

let engine: Engine;
let server: Server;
let url: URL;
let fault: Fault = (answer) => answer;

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  const models = [await loadPlainModel(engine, model, readFileSync(lenetFile))];
  const app = createOipApp({ name: 's', version: '0', engine: engine.info, models, deadlineMs: 5_000 });
  const fetch = async (request: Request) => fault(await app.fetch(request), request);
  server = createAdaptorServer({ fetch }) as Server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(async () => {
  server.close();
  await engine.close();
});

async function report(broken: Fault): Promise<ConformanceReport> {
  fault = broken;
  return runConformance({ url, model, version: undefined, token: undefined, timeoutMs: 5_000 });
}

const named = ({ checks }: ConformanceReport, outcome: string) =>
  checks.filter((check) => check.outcome === outcome).map(({ name }) => name);

/** Changes the JSON of every answer with a status. */
function changed(status: number, change: (message: Record<string, unknown>) => unknown): Fault {
  return async (answer) => {
    const isJson = answer.headers.get('content-type')?.includes('json') === true;
    if (answer.status !== status || !isJson) return answer;
    const message = (await answer.json()) as Record<string, unknown>;
    return Response.json(change(message), { status });
  };
}

describe('runConformance', () => {
  it('leaves out the checks of versions where none is given, and nothing else', async () => {
    const sound = await report((answer) => answer);
    expect(named(sound, 'fail')).toEqual([]);
    expect(named(sound, 'skip')).toEqual(['version-ready', 'version-metadata', 'infer-version']);
  });

  it.each<[string, Fault, string[]]>([
    ['an id that is lost', changed(200, (message) => ({ ...message, id: undefined })), ['infer-id']],
    [
      'an error without its member',
      changed(422, (message) => ({ ...message, error: undefined })),
      ['refuse-rank', 'refuse-text'],
    ],
    [
      'malformed JSON that is its own fault',
      (answer) => (answer.status === 400 ? new Response('{"error":"x"}', { status: 500 }) : answer),
      ['refuse-malformed', 'binary-cut'],
    ],
    [
      'the name of another model',
      changed(200, (message) => ('model_name' in message ? { ...message, model_name: 'x' } : message)),
      ['infer', 'infer-batch'],
    ],
    [
      'an error that is answered as a success',
      (answer) => new Response(answer.body, { status: 200, headers: answer.headers }),
      ['refuse-malformed', 'unknown-model-ready'],
    ],
    [
      'a header of the binary extension that is lost',
      (answer) => {
        const headers = new Headers(answer.headers);
        headers.delete('inference-header-content-length');
        return new Response(answer.body, { status: answer.status, headers });
      },
      ['binary-output', 'binary-both', 'binary-chosen'],
    ],
    [
      'a probe that is never ready',
      (answer, request) => (request.url.endsWith('/ready') ? new Response(null, { status: 400 }) : answer),
      ['server-ready', 'model-ready'],
    ],
    [
      'a type that it needs',
      (answer, request) =>
        request.method === 'POST' && !request.headers.has('content-type')
          ? Response.json({ error: 'no type' }, { status: 415 })
          : answer,
      ['infer-untyped', 'binary-untyped'],
    ],
  ])('finds %s', async (_, broken, expected) => {
    expect(named(await report(broken), 'fail')).toEqual(expect.arrayContaining(expected));
  });

  it('leaves the binary extension out where the server does not name it', async () => {
    const plain = await report(
      changed(200, (message) => ('extensions' in message ? { ...message, extensions: [] } : message)),
    );
    expect(named(plain, 'skip').filter((name) => name.startsWith('binary-')).length).toBe(10);
    expect(named(plain, 'fail')).toEqual([]);
  });

  it('makes up no inputs of a server that says they are huge, and reads no answer without an end', async () => {
    const huge = changed(200, (message) => {
      const inputs = message.inputs as readonly object[] | undefined;
      if (inputs === undefined) return message;
      return { ...message, inputs: inputs.map((input) => ({ ...input, shape: [-1, 1_000_000, 1_000_000] })) };
    });
    expect(named(await report(huge), 'skip')).toContain('infer');
    const endless: Fault = (answer, request) =>
      request.url.endsWith('/v2') ? new Response(new Uint8Array(65 * 1024 * 1024)) : answer;
    const { checks } = await report(endless);
    expect(checks.find(({ name }) => name === 'server-metadata')).toMatchObject({
      outcome: 'fail',
      reason: expect.stringContaining('more than 67108864 bytes'),
    });
  });

  it('tells two servers apart that answer other bytes alike in every number', async () => {
    const sound = await report((answer) => answer);
    const spaced: Fault = async (answer) => {
      if (answer.status !== 200 || answer.headers.get('content-type') !== 'application/json') return answer;
      return new Response(`${await answer.text()} `, { headers: answer.headers });
    };
    const other = await report(spaced);
    expect(named(other, 'fail')).toEqual([]);
    expect(reportDifferences(sound, other)).toContain('infer');
    expect(reportDifferences(sound, other)).not.toContain('refuse-malformed');
  });
});

describe('nccr-guard conformance', () => {
  it('exits with 0 where all is well and with 1 where it is not, and prints JSON', async () => {
    fault = (answer) => answer;
    const run = (...args: string[]) => nccrGuard('conformance', url.href, '--model', model, ...args);
    const sound = await run('--json', '--compare', url.href);
    expect(sound.code).toBe(0);
    expect(JSON.parse(sound.stdout)).toMatchObject({ failed: 0, differences: [], compared: { failed: 0 } });
    const idless = changed(200, (message) => ({ ...message, id: undefined }));
    // What a terminal would obey is none of a server's business.
    fault = (answer, request) =>
      answer.status === 422 ? new Response('\u001b[2Jgone', { status: 500 }) : idless(answer, request);
    const broken = await run();
    expect(broken.code).toBe(1);
    expect(broken.stdout).toContain('·[2Jgone');
    expect(broken.stdout).not.toContain('\u001b');
    expect(broken.stdout).toMatch(/fail +infer-id .*echoed/);
  });

  it('exits with 2 where it is called wrongly', async () => {
    expect((await nccrGuard('conformance', 'ftp://x', '--model', model)).code).toBe(2);
  });
});
