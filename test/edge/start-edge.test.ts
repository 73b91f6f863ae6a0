// Starting the edge on this machine: what stops it says why, and what it wrote is there when it comes back.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { loneEdge } from '../helpers/lone-edge.ts';

const logs: string[] = [];
const options = { ...loneEdge, onLog: (line: string) => void logs.push(line) };

afterEach(() => logs.splice(0));

describe('the edge', () => {
  it('names the port that is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    await expect(startEdge({ ...options, port })).rejects.toMatchObject({
      code: 'invalid_config',
      message: `port ${port} on 127.0.0.1 is taken`,
    });
    squatter.close();
  });

  it('does not start with a variable that it does not know, and names it in its log', async () => {
    const bindings = { ...options.bindings, GUARD_MODELZ: '[]' };
    await expect(startEdge({ ...options, bindings })).rejects.toMatchObject({ code: 'invalid_config' });
    expect(logs.join('\n')).toContain('GUARD_MODELZ');
  });

  it('keeps its audit where it is given a folder', async () => {
    const persistDir = await mkdtemp(path.join(tmpdir(), 'nccr-guard-'));
    const insert =
      'INSERT INTO verdicts (id, at, request_id, request_digest, model, mode, verdict, enforced, score, body)' +
      " VALUES ('gv_1', 't', 'r', 'd', 'm', 'shadow', 'allow', 0, 1.5, '{}')";
    const first = await startEdge({ ...options, persistDir });
    await first.storage.run({ sql: insert });
    await first.stop();
    const second = await startEdge({ ...options, persistDir });
    const [rows] = await second.storage.run({ sql: 'SELECT id, score FROM verdicts' });
    await second.stop();
    await rm(persistDir, { recursive: true });
    expect(rows).toEqual([{ id: 'gv_1', score: 1.5 }]);
  });

  it('lets everyone in where authentication is off', async () => {
    const edge = await startEdge(options);
    expect((await fetch(new URL('/v2', edge.url))).status).toBe(200);
    await edge.stop();
  });
});
