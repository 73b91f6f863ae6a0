// Time that the edge adds to a request: a free upstream alone, through the edge in each mode, and through Portkey's gateway, interleaved in one run.
//
// Usage: npm run bench:edge -- [--rounds 5] [--seconds 5] [--connections 1,16,64] [--rate 30] [--no-portkey]
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { startEdges } from './edge-contenders.ts';
import { type Contender, type Measurement, measureInTurns, spread } from './http-load.ts';
import { startPortkey } from './portkey.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '1,16,64' },
    rate: { type: 'string' },
    portkey: { type: 'boolean', default: true },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

const edges = await startEdges();
const portkey = values.portkey ? await startPortkey() : undefined;
try {
  const { upstream, extraction, modes, payload } = edges;
  const gateway = portkey?.contenderFor(new URL(upstream.url), payload);
  const contenders = [upstream, ...(gateway ? [gateway] : []), ...modes, extraction];
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`,
  );
  console.log(
    `one digit a request, ${payload.length} bytes of JSON; ${rounds} rounds of ${seconds} s each, interleaved, ${values.rate === undefined ? 'as many requests as are answered' : `${values.rate} requests a second`}; median [lowest to highest] over the rounds`,
  );
  for (const connections of values.connections.split(',').map(Number)) {
    const pace = { connections, ...(values.rate !== undefined && { perSecond: Number(values.rate) }) };
    const before = await shadowCounts(modes);
    const measured = await measureInTurns(contenders, { rounds, seconds, ...pace });
    const byName = new Map(contenders.map(({ name }, index) => [name, measured[index]]));
    printTable(connections, byName, upstream.name);
    printRatios(byName, { alone: upstream.name, gateway: gateway?.name, extraction: extraction.name });
    printShadow(before, await shadowCounts(modes));
  }
} finally {
  await portkey?.stop();
  await edges.stop();
}

type Measured = ReadonlyMap<string, readonly Measurement[]>;

function printTable(connections: number, measured: Measured, alone: string): void {
  console.log(`\n### ${connections} connection${connections === 1 ? '' : 's'}\n`);
  console.log('| | p50 ms | p99 ms | added p50 ms | added p99 ms | requests/s | not 200 |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const [name, runs] of measured) {
    const of = (key: 'p50' | 'p99' | 'perSecond') => spread(runs.map((run) => run[key]));
    const more = (key: 'p50' | 'p99') => (name === alone ? '' : spread(added(measured, name, alone, key)));
    const failed = runs.reduce((sum, run) => sum + run.failed, 0);
    console.log(
      `| ${name} | ${of('p50')} | ${of('p99')} | ${more('p50')} | ${more('p99')} | ${of('perSecond')} | ${failed} |`,
    );
  }
}

/** Requests of the edge in mode shadow so far, and those of them that were scored. */
interface ShadowCounts {
  readonly requests: number;
  readonly scored: number;
}

async function shadowCounts(modes: readonly Contender[]): Promise<ShadowCounts> {
  const { url } = modes.find(({ name }) => name === 'shadow')!;
  const text = await (await fetch(new URL('/metrics', url))).text();
  const counted = [...text.matchAll(/^guard_requests_total\{.*verdict="(\w+)"\} (\d+)$/gm)];
  const sum = (isMeant: (verdict: string) => boolean) =>
    counted.reduce((total, [, verdict, count]) => (isMeant(verdict) ? total + Number(count) : total), 0);
  return { requests: sum(() => true), scored: sum((verdict) => verdict !== 'not_scored') };
}

/** Mode shadow is cheap because it leaves out what it has no time for: how much that was belongs beside its figures. */
function printShadow(before: ShadowCounts, after: ShadowCounts): void {
  const [requests, scored] = [after.requests - before.requests, after.scored - before.scored];
  const percent = ((100 * scored) / requests).toFixed(1);
  console.log(
    `shadow scored ${scored} of its ${requests} requests (${percent} %); the others are counted as left out`,
  );
}

/** Ratios round by round: what both sides of one met was the same. */
function printRatios(
  measured: Measured,
  { alone, gateway, extraction }: { alone: string; gateway: string | undefined; extraction: string },
): void {
  const ratio = (left: readonly number[], right: readonly number[]) =>
    spread(left.map((value, round) => value / right[round]));
  console.log('');
  for (const key of ['p50', 'p99'] as const) {
    const of = (name: string) => added(measured, name, alone, key);
    const whole = (name: string) => measured.get(name)!.map((run) => run[key]);
    if (gateway !== undefined)
      console.log(`off adds to ${key}, of what ${gateway} adds: ${ratio(of('off'), of(gateway))}`);
    console.log(`shadow's ${key}, of off's: ${ratio(whole('shadow'), whole('off'))}`);
    console.log(`enforce adds to ${key}, of the bare extraction: ${ratio(of('enforce'), whole(extraction))}`);
  }
}

function added(measured: Measured, name: string, alone: string, key: 'p50' | 'p99'): number[] {
  return measured.get(name)!.map((run, round) => run[key] - measured.get(alone)![round][key]);
}
