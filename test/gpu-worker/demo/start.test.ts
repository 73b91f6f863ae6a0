// The demo as its user starts it: real processes on free ports, with a folder of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { drawDigit } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { descendants, type RunningProcess, runningProcesses } from '../../helpers/processes.ts';

const startFile = fileURLToPath(new URL('../../../gpu-worker/demo/start.ts', import.meta.url));
const patienceMs = 45_000;

let folder: string;
const running: { kill(signal: 'SIGKILL'): boolean }[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nccr-guard-demo-'));
});
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts the demo on ports that the system chooses; every one of them can be overruled. */
function startDemo(...args: string[]) {
  const free = ['--port', '0', '--gpu-worker-port', '0', '--upstream-port', '0'];
  const child = spawn(process.execPath, [startFile, ...free, '--data', folder, ...args]);
  running.push(child);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => lines.push(line));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const line = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (const deadline = Date.now() + patienceMs; ; await sleep(20)) {
      const match = lines.map((text) => pattern.exec(text)).find((found) => found !== null);
      if (match) return match;
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`no ${pattern} in:\n${lines.join('\n')}`);
    }
  };
  return { child, lines, exited, line };
}

/** Waits until none of these processes runs any more, and gives those that still do. */
async function leftOf(processes: readonly RunningProcess[]): Promise<RunningProcess[]> {
  const left = () => {
    const alive = new Set(runningProcesses().map(({ pid }) => pid));
    return processes.filter(({ pid }) => alive.has(pid));
  };
  for (let poll = 0; poll < 200 && left().length > 0; poll++) await sleep(100);
  return left();
}

it('answers a clean digit, refuses the same digit under weak and strong PGD, and says the time each took', async () => {
  const demo = startDemo('--once');
  const [, clean] = await demo.line(/^clean digit \d +(.*)$/);
  expect(clean).toMatch(/HTTP 200, answered: label 3; verdict allow, score .*, threshold .*; [\d.]+ ms$/);
  const [, attacked] = await demo.line(/^under PGD, smallest eps 0\.\d+ +(.*)$/);
  expect(attacked).toMatch(/HTTP 403, refused; verdict block, score .*; [\d.]+ ms$/);
  const [, strong] = await demo.line(/^under PGD, eps 0\.3 +(.*)$/);
  expect(strong).toMatch(/HTTP 403, refused; verdict block, score .*; [\d.]+ ms$/);
  expect(await demo.exited).toBe(0);
});

it('keeps its secrets and its compiled model, readable for their owner alone', async () => {
  const demo = startDemo('--once');
  expect(await demo.exited).toBe(0);
  expect(demo.lines.join('\n')).not.toContain('compiled');
  for (const secret of ['noise.key', 'gpu-worker.token']) {
    expect((await stat(join(folder, secret))).mode & 0o777).toBe(0o600);
  }
  expect(await readdir(join(folder, 'models'))).toEqual(['mnist-lenet5.onnx', 'mnist-lenet5.screening.onnx']);
});

it('serves at the printed addresses until SIGTERM, and leaves no process behind', async () => {
  const demo = startDemo('--mode', 'shadow');
  const edge = (await demo.line(/^edge +(http.*)$/))[1];
  const upstream = (await demo.line(/^upstream +(http.*)$/))[1];
  const gpuWorker = (await demo.line(/^gpu-worker +(http.*)$/))[1];
  expect((await demo.line(/^ready, (mode \w+)/))[1]).toBe('mode shadow');
  await demo.line(/^Ctrl-C/);
  for (const url of [edge, upstream, gpuWorker]) {
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
  }
  const dashboard = (await demo.line(/^dashboard +(http.*)$/))[1];
  expect(await (await fetch(dashboard)).text()).toContain('<title>Verdicts');
  // In shadow mode the attack is judged and goes through all the same.
  expect(demo.lines.join('\n')).toMatch(/under PGD.* HTTP 200, answered: label \d; verdict block/);
  const below = descendants(demo.child.pid!);
  expect(below.length).toBeGreaterThanOrEqual(4);
  demo.child.kill('SIGTERM');
  expect(await demo.exited).toBe(0);
  expect(demo.lines.join('\n')).not.toContain('goes on without');
  expect(await leftOf(below)).toEqual([]);
});

it('leaves no process behind where it is killed', async () => {
  const demo = startDemo();
  await demo.line(/^edge /);
  const below = descendants(demo.child.pid!);
  demo.child.kill('SIGKILL');
  expect(await leftOf(below)).toEqual([]);
});

it('says that the gpu-worker died, refuses without it, and ends with its front door', async () => {
  const demo = startDemo();
  const edge = (await demo.line(/^edge +(http.*)$/))[1];
  await demo.line(/^Ctrl-C/);
  const below = descendants(demo.child.pid!);
  const kill = (part: string) =>
    process.kill(below.find(({ command }) => command.includes(part))!.pid, 'SIGKILL');
  kill('gpu-worker/server.ts');
  await demo.line(/^gpu-worker ended by SIGKILL: the guard goes on without it/);
  const data = Array.from(drawDigit(3, 1));
  const input = { name: 'input', shape: [1, 1, 28, 28], datatype: 'FP32', data };
  const answer = await fetch(`${edge}/v2/models/mnist-lenet5/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: [input] }),
  });
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ code: 'extractor_unreachable' });
  // Whoever shows nothing has a limit too.
  expect(answer.headers.get('ratelimit-policy')).toBe('"large";q=6000;w=60');
  kill('demo/edge-process.ts');
  expect((await demo.line(/^npm start: (.*)$/))[1]).toBe('edge ended by SIGKILL; the others are stopped');
  expect(await demo.exited).toBe(1);
  expect(await leftOf(below)).toEqual([]);
});

it.each([
  ['edge', '--port'],
  ['gpu-worker', '--gpu-worker-port'],
  ['upstream', '--upstream-port'],
])('says that the port of the %s is taken and moves nothing', async (server, option) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  const demo = startDemo(option, String(port));
  const said = (await demo.line(/^npm start: (.*)$/))[1];
  expect(said).toBe(`port ${port} of the ${server} is taken (${option} moves it)`);
  expect(await demo.exited).toBe(1);
  holder.close();
});

it.each([
  [['--mode', 'block'], "argument 'block' is invalid"],
  [['--port', '70000'], 'not a port'],
  [['--ports', '1'], "unknown option '--ports'"],
  [['--model', 'a.onnx'], 'a model of your own takes --model and --detector together'],
  [['--public-key', 'key.txt'], 'a model of your own takes --model and --detector together'],
])('refuses the options %j', async (args, reason) => {
  const demo = startDemo(...args);
  expect(await demo.exited).toBe(1);
  expect(demo.lines.join('\n')).toContain(reason);
});
