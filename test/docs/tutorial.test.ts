// Runs the tutorial as it is printed, line after line, but for its ports and its folder.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const page = readFileSync(join(root, 'docs/tutorial.md'), 'utf8');
const lines = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block.trim().split('\n'));
const folder = mkdtempSync(join(tmpdir(), 'nccr-guard-tutorial-'));

/** What a line must print; lines that are not here must end well. */
const expected: Readonly<Record<string, RegExp>> = {
  'model train': /accuracy \d+\.\d+ % of 600 test images/,
  'detector calibrate': /public key .*\n[\s\S]*wrote /,
  'detector evaluate': /pgd-fixed/,
  'detector attack': /strongest of each image/,
  'model compile': /wrote .*digits\.onnx/,
  'limit=2': /"verdict":"block"/,
  '/dashboard': /<title>/,
  '/diff': /"enforce"/,
};

/** Status of the four requests, in their order: in shadow both are answered, under `enforce` the clean one. */
const statuses = [200, 200, 200, 403];

describe('the tutorial', () => {
  let guard: ChildProcess | undefined;
  let said = '';
  let ports: readonly number[];
  beforeAll(async () => {
    ports = await freePorts(3);
  });
  afterAll(async () => {
    if (guard !== undefined && guard.exitCode === null) {
      const ended = once(guard, 'exit');
      guard.kill('SIGTERM');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  }, 180_000);

  /** The line with the test's own ports and folder. */
  const here = (line: string) =>
    line.replaceAll('.data/tutorial', folder).replaceAll('127.0.0.1:8787', `127.0.0.1:${ports[0]}`);

  it('goes from a model to an enforcing guard', () => {
    expect(lines.length).toBeGreaterThan(15);
    expect(lines.filter((line) => line.includes('/infer'))).toHaveLength(statuses.length);
    for (const part of Object.keys(expected)) expect(lines.some((line) => line.includes(part))).toBe(true);
  });

  const asked = lines.filter((line) => line.includes('/infer'));
  const [assignment] = lines.filter((line) => line.startsWith('GUARD='));
  // A line may stand there twice and answer otherwise the second time.
  let inferences = 0;
  it.each(lines.filter((line) => line !== assignment).map((line, index) => ({ line, index })))(
    'works as printed: $line ($index)',
    async ({ line }) => {
      if (line.startsWith('npm start')) {
        guard = await started(here(line));
        return;
      }
      const command = `set -eo pipefail; ${here(assignment)}\n${here(line)}`;
      const strict = asked.includes(line)
        ? command
        : command.replace(/^curl /m, 'curl -sS --fail-with-body ');
      const { stdout } = await run('bash', ['-c', strict], { cwd: root, maxBuffer: 1 << 26 });
      const part = Object.keys(expected).find((each) => line.includes(each));
      if (part !== undefined) expect(stdout).toMatch(expected[part]);
      if (asked.includes(line)) expect(stdout).toMatch(new RegExp(`^HTTP/1.1 ${statuses[inferences++]}`));
    },
    600_000,
  );

  async function started(line: string): Promise<ChildProcess> {
    const [port, gpuWorker, upstream] = ports;
    const options = `--port ${port} --gpu-worker-port ${gpuWorker} --upstream-port ${upstream}`;
    const child = spawn('bash', ['-c', `exec ${line} ${options}`], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    while (!said.includes('Ctrl-C stops')) {
      if (child.exitCode !== null) throw new Error(`npm start ended:\n${said}`);
      await sleep(100);
    }
    expect(said).toMatch(/^ready, mode shadow/m);
    // The graph that the tutorial compiled is the one that is served: nothing was compiled anew.
    expect(said).not.toMatch(/^compiled digits$/m);
    return child;
  }
});

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
