// `npm run fuzz -- --target NAME --cases N --seed S`: fuzzes one reader, or all, guided by the coverage of V8.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { writeCases } from './finding-files.ts';
import type { FuzzThreadData } from './fuzz-thread.ts';
import { targets } from './targets.ts';

/** Computing without a new case after which the reader is taken to hang, and waiting: the machine may be busy. */
const hangMs = { computing: 20_000, waiting: 600_000 };

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'all' },
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    /** Folder of kept cases, one for each target in it: a later run goes on from them. */
    corpus: { type: 'string' },
    /** Folder of findings, one for each target in it. */
    findings: { type: 'string', default: join(import.meta.dirname, 'cases') },
    /** File to which a line of JSON is added for each target. */
    log: { type: 'string' },
  },
});
const names = targets.map(({ name }) => name);
const wanted = values.target === 'all' ? names : values.target.split(',');
const unknown = wanted.find((name) => !names.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`there is no target ${unknown}; there are ${names.join(', ')}\n`);
  process.exit(2);
}
let findings = 0;
for (const name of wanted) {
  const summary = await fuzzInThread(name);
  findings += summary.findings;
  const line = JSON.stringify(summary);
  process.stdout.write(`${line}\n`);
  if (values.log !== undefined) appendFileSync(values.log, `${line}\n`);
}
process.exitCode = findings === 0 ? 0 : 1;

function fuzzInThread(name: string): Promise<{ readonly findings: number }> {
  const watched = new SharedArrayBuffer(8 + 64 * 1024);
  const workerData: FuzzThreadData = {
    target: name,
    cases: Number(values.cases),
    seed: Number(values.seed),
    findings: join(values.findings, name),
    ...(values.corpus === undefined ? {} : { corpus: join(values.corpus, name) }),
    watched,
  };
  const thread = new Worker(new URL('fuzz-thread.ts', import.meta.url), { workerData });
  const [head, body] = [new Int32Array(watched, 0, 2), new Uint8Array(watched, 8)];
  let last = { number: 0, at: performance.now(), computed: computedMs() };
  const watch = setInterval(() => {
    if (head[0] !== last.number) last = { number: head[0], at: performance.now(), computed: computedMs() };
    const isInTime = computedMs() - last.computed < hangMs.computing;
    if ((isInTime && performance.now() - last.at < hangMs.waiting) || head[0] === 0) return;
    writeCases(join(values.findings, name), [body.slice(0, head[1])]);
    process.stderr.write(`${name}: case ${head[0]} hangs; it was kept\n`);
    process.exit(1);
  }, 1_000);
  return new Promise<{ readonly findings: number }>((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  }).finally(() => clearInterval(watch));
}

/** Milliseconds that all threads have computed. */
function computedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
