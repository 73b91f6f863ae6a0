// workerd killed again and again in the middle of a screening: what lies in D1, R2 and the Workflow is all that goes on.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import {
  digitFiles,
  type ScreeningWorker,
  screeningClient,
  screeningEdgeOptions,
  startScreeningWorker,
} from '../helpers/screening-edge.ts';

const kills = 10;
const examples = 900;
const kinds = ['', '.csv', '.html'];

let worker: ScreeningWorker;
let edge: RunningEdge;
let persistDir: string;
const logs: string[] = [];
const client = screeningClient(() => edge.url);

beforeAll(async () => {
  worker = await startScreeningWorker();
  persistDir = await mkdtemp(path.join(tmpdir(), 'nccr-guard-'));
  await start();
});

afterAll(async () => {
  await edge?.stop();
  await worker?.stop();
  if (persistDir !== undefined) await rm(persistDir, { recursive: true });
});

describe('a screening whose process is killed ten times', () => {
  it('gives the report of an undisturbed one to the byte, and counts nothing twice', async () => {
    const files = digitFiles(examples);
    const undisturbed = await client.ended((await client.submit(files)).id);
    expect(undisturbed.state).toBe('completed');
    const expected = await Promise.all(kinds.map((kind) => client.report(undisturbed.id, kind)));
    const seed = Date.now() % 1_000_000;
    const random = seededRandom(seed);
    let killed = 0;
    const stages: string[] = [];
    while (killed < kills) {
      const { id } = await client.submit(files);
      // A job that is over before its next kill has passed; the remaining kills are of another one.
      while (killed < kills) {
        await sleep(random() * 500);
        const { state, stage } = await client.read(id);
        if (state !== 'running') break;
        await kill();
        killed++;
        stages.push(String(stage));
        await start();
      }
      const job = await client.ended(id, 60_000);
      const said = `seed ${seed}, killed at ${stages.join(', ')}`;
      expect(job, said).toMatchObject({ state: 'completed', counts: undisturbed.counts });
      const reports = await Promise.all(kinds.map((kind) => client.report(id, kind)));
      expect(
        reports.map((report, index) => report === expected[index]),
        said,
      ).toEqual([true, true, true]);
    }
    expect(logs.join('\n')).toContain('screening.taken_over');
    // Half a minute where nothing else runs: nearly all of it are starts of workerd.
  }, 600_000);
});

async function start(): Promise<void> {
  edge = await startEdge(
    screeningEdgeOptions(worker.url, {
      persistDir,
      bindings: { SCREENING_LEASE_MS: '700' },
      onLog: (line) => logs.push(line),
    }),
  );
}

/** Kills workerd, which has no time to write anything more, and lets go of what this process holds of it. */
async function kill(): Promise<void> {
  const own = execFileSync('ps', ['-o', 'pid=,comm=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  const found = own.split('\n').filter((line) => line.includes('workerd'));
  expect(found).toHaveLength(1);
  process.kill(Number(found[0].trim().split(/\s+/)[0]), 'SIGKILL');
  await edge.stop();
}
