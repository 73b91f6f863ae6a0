// Memory under mixed load for an hour: the slope of each server's resident memory with its interval. Linux alone (/proc).
//
// Usage: npm run bench:soak -- [--minutes 60] [--rate 20] [--warm-up 10]
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { seededRandom } from '../../shared/maths/random.ts';
import { type RunningEdges, startEdges } from './edge-contenders.ts';
import { slopeOf } from './slope.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '20' },
    'warm-up': { type: 'string', default: '10' },
  },
});
const minutes = Number(values.minutes);
const rate = Number(values.rate);
/** Minutes at the beginning that are left out: caches fill and code is compiled. */
const warmUp = Number(values['warm-up']);
const sampleEveryMs = 5_000;

/** Resident memory of one server and all that it started. */
interface Series {
  readonly minutes: number[];
  readonly megabytes: number[];
}

const edges = await startEdges();
try {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`,
  );
  const series = new Map(
    [...edges.pids.keys()].map((name): [string, Series] => [name, { minutes: [], megabytes: [] }]),
  );
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 60_000;
  const statuses = new Map<string, number>();
  const loading = sendMixedLoad(edges, statuses, () => elapsed() < minutes);
  while (elapsed() < minutes) {
    await sleep(sampleEveryMs);
    if (elapsed() < warmUp) continue;
    const resident = residentByGroup();
    for (const [name, { minutes: at, megabytes }] of series) {
      at.push(elapsed());
      megabytes.push(resident.get(edges.pids.get(name)!) ?? Number.NaN);
    }
  }
  await loading;
  report(series, statuses);
} finally {
  await edges.stop();
}

/** What a client may send: most of it good, some of it not, spread over the modes by a seed. */
async function sendMixedLoad(
  { modes, payload }: RunningEdges,
  statuses: Map<string, number>,
  goesOn: () => boolean,
): Promise<void> {
  const random = seededRandom(1);
  const headers = { 'content-type': 'application/json' };
  const digit = JSON.parse(payload) as { inputs: [{ data: number[] }] };
  const kinds: readonly [string, number, () => string][] = [
    ['good', 0.6, () => payload],
    ['another digit', 0.25, () => changed(digit, random)],
    ['broken JSON', 0.05, () => payload.slice(0, Math.floor(payload.length * random()))],
    ['wrong shape', 0.05, () => payload.replace('[1,1,28,28]', '[1,1,28,27]')],
    ['too large', 0.01, () => `"${'x'.repeat(5_000_000)}"`],
    ['abandoned', 0.04, () => payload],
  ];
  const pending = new Set<Promise<void>>();
  while (goesOn()) {
    const mode = modes[Math.floor(random() * modes.length)];
    const [kind, , make] = drawn(kinds, random());
    const signal = AbortSignal.timeout(kind === 'abandoned' ? 5 : 30_000);
    const sending = fetch(mode.url, { method: 'POST', headers, body: make(), signal })
      .then(async (answer) => {
        await answer.bytes();
        return String(answer.status);
      })
      .catch((cause: unknown) => (cause instanceof Error ? cause.name : 'failed'))
      .then((status) => {
        const key = `${kind}: ${status}`;
        statuses.set(key, (statuses.get(key) ?? 0) + 1);
        pending.delete(sending);
      });
    pending.add(sending);
    await sleep((-Math.log(1 - random()) * 1000) / rate);
  }
  await Promise.all(pending);
}

/** The kind in whose share a place between 0 and 1 falls. */
function drawn<Kind extends readonly [string, number, ...unknown[]]>(
  kinds: readonly Kind[],
  place: number,
): Kind {
  let left = place;
  for (const kind of kinds) {
    left -= kind[1];
    if (left < 0) return kind;
  }
  return kinds[0];
}

function changed(
  digit: { readonly inputs: readonly [{ readonly data: readonly number[] }] },
  random: () => number,
) {
  const [input] = digit.inputs;
  const data = input.data.map((value) => Math.min(1, Math.max(0, value + (random() - 0.5) / 8)));
  return JSON.stringify({ inputs: [{ ...input, data }] });
}

/** Megabytes by process group. */
function residentByGroup(): Map<number, number> {
  const sums = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
      const status = readFileSync(`/proc/${entry}/status`, 'latin1');
      const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
      sums.set(group, (sums.get(group) ?? 0) + kilobytes / 1024);
    } catch {
      // The process has ended meanwhile.
    }
  }
  return sums;
}

function report(series: ReadonlyMap<string, Series>, statuses: ReadonlyMap<string, number>): void {
  console.log(`${minutes} minutes at ${rate} requests a second, the first ${warmUp} left out`);
  console.log('| | first minute MB | last minute MB | highest MB | slope MB an hour | 95 % |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const [name, { minutes: at, megabytes }] of series) {
    const { slope, low, high } = slopeOf(at, megabytes);
    const minute = Math.max(1, Math.round(60_000 / sampleEveryMs));
    const mean = (part: readonly number[]) =>
      (part.reduce((sum, value) => sum + value, 0) / part.length).toFixed(1);
    console.log(
      `| ${name} | ${mean(megabytes.slice(0, minute))} | ${mean(megabytes.slice(-minute))} | ${Math.max(...megabytes).toFixed(1)} | ${(60 * slope).toFixed(2)} | ${(60 * low).toFixed(2)} to ${(60 * high).toFixed(2)} |`,
    );
  }
  console.log(
    [...statuses]
      .sort(([left], [right]) => left.localeCompare(right))
      .map(([key, count]) => `${key} ${count}`)
      .join(', '),
  );
}
