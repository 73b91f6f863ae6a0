// Verdicts with the graph in the detector Worker beside verdicts with a gpu-worker of one thread, in turns: time, ratio and scores.
//
// Usage: node test/bench/edge-only.ts [--pairs 200] [--model MODEL.onnx]
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { type Verdict, verdictSchema } from '../../shared/contracts/verdict.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';

const { values } = parseArgs({
  options: { pairs: { type: 'string', default: '200' }, model: { type: 'string' } },
});
const pairs = Number(values.pairs);
const assets = new URL('../../gpu-worker/demo/assets/', import.meta.url);
const file = await readFile(values.model ?? new URL('mnist-lenet5.onnx', assets));
const demo = JSON.parse(await readFile(new URL('mnist-lenet5.detector.json', assets), 'utf8')) as unknown;
// The plan of the demo's detector: the input, four copies with noise and five transforms.
const { plan } = detectorArtefactSchema.parse(demo);

const options = { mode: 'enforce', threshold: 0, plan, file } as const;
const own = await startLenetEdge({ ...options, server: 'none' });
const other = await startLenetEdge(options);
try {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`,
  );
  console.log(
    `graph of ${own.compiled.length} bytes, ${plan.noise[0].copies + plan.transforms.length + 1} rows a verdict`,
  );
  const random = seededRandom(1);
  const input = () => Float32Array.from({ length: elementCount(own.inputShape) }, () => random());
  const startedAt = performance.now();
  // Readiness opens the graph; where it gives up first, the opening goes on.
  while ((await own.call('/v2/health/ready')).status !== 200) await new Promise((go) => setTimeout(go, 100));
  console.log(`ready without a gpu-worker after ${(performance.now() - startedAt).toFixed(0)} ms`);
  for (let warm = 0; warm < 20; warm++) for (const guard of [own, other]) await verdictOf(guard, input());
  const times = { own: [] as number[], other: [] as number[] };
  let apart = 0;
  for (let pair = 0; pair < pairs; pair++) {
    const x = input();
    // Whoever comes first has the caches of the one before.
    const turns = pair % 2 === 0 ? [own, other] : [other, own];
    const found = new Map<LenetEdge, { ms: number; verdict: Verdict }>();
    for (const guard of turns) found.set(guard, await verdictOf(guard, x));
    const [mine, theirs] = [found.get(own)!, found.get(other)!];
    times.own.push(mine.ms);
    times.other.push(theirs.ms);
    const score = theirs.verdict.rows[0].score;
    apart = Math.max(apart, Math.abs(mine.verdict.rows[0].score - score) / Math.max(1, Math.abs(score)));
  }
  const text = (of: readonly number[]) =>
    [0.1, 0.5, 0.9].map((share) => quantile(of, share).toFixed(1)).join(' / ');
  console.log(`${pairs} pairs, one after the other; ms, p10 / p50 / p90`);
  console.log(`detector Worker  ${text(times.own)}`);
  console.log(`gpu-worker       ${text(times.other)}`);
  const ratios = times.own.map((ms, pair) => ms / times.other[pair]);
  console.log(
    `ratio of a pair  ${[0.1, 0.5, 0.9].map((share) => quantile(ratios, share).toFixed(2)).join(' / ')}`,
  );
  console.log(
    `scores apart by at most ${apart.toExponential(1)}, relative to the larger of one and the score`,
  );
} finally {
  await own.stop();
  await other.stop();
}

async function verdictOf(guard: LenetEdge, x: Float32Array): Promise<{ ms: number; verdict: Verdict }> {
  const tensor = { name: guard.inputName, shape: [1, ...guard.inputShape], datatype: 'FP32', data: [...x] };
  const body = JSON.stringify({ inputs: [tensor] });
  const startedAt = performance.now();
  const answer = await guard.call(`/v1/guard/verdicts?model=${guard.name}`, { method: 'POST', body });
  const json = await answer.json();
  const ms = performance.now() - startedAt;
  const verdict = verdictSchema.parse(json);
  if (verdict.score === null) throw new Error(`no score: ${JSON.stringify(verdict.failure)}`);
  return { ms, verdict };
}

function quantile(of: readonly number[], share: number): number {
  const sorted = [...of].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
