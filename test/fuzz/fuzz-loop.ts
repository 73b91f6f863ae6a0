// The loop: mutates, reads, keeps what reached something new, tells what broke.
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { BlockCoverage } from './block-coverage.ts';
import { mutate } from './mutate.ts';
import { randomWords } from './random.ts';
import { Finding, type FuzzTarget, runCase } from './target.ts';

/** One run of the loop. */
export interface FuzzOptions {
  readonly cases: number;
  readonly seed: number;
  /** Guides the first quarter of the run, and is then stopped; without it the corpus stays what it was at the beginning. */
  readonly coverage?: BlockCoverage;
  /** Cases beside the target's seeds, such as those that an earlier run kept. */
  readonly corpus?: readonly Uint8Array[];
  /** Looks at the memory in use ten times over the run and finds where it grows; each look is a whole collection. */
  readonly watchMemory?: boolean;
  /** Told before each case, so that another thread can see where this one hangs. */
  readonly beforeCase?: (bytes: Uint8Array) => void;
  readonly onFinding: (thrown: unknown, bytes: Uint8Array) => void;
}

/** What a run did. */
export interface FuzzSummary {
  readonly cases: number;
  readonly accepted: number;
  readonly refused: number;
  readonly findings: number;
  /** Cases that were kept for what they reached, in their order. */
  readonly kept: readonly Uint8Array[];
  /** Megabytes on the heap and beside it after collections, ten times over a run that watches it. */
  readonly memoryMb: readonly number[];
}

/** Cases between two looks at the coverage, which takes some milliseconds: few while much is new. */
const batchCases = { least: 16, most: 2_048 };
/** Cases that are kept at most; the memory of the run is bounded by them. */
const corpusMax = 2_000;
/** Time that one case may take. */
const caseMsMax = 1_000;
/** By how much memory may grow between a fifth of a run and its end, beside the cases that were kept. */
const growthMbMax = 8;

/** Runs a target on mutated cases. */
export async function fuzzLoop(target: FuzzTarget, options: FuzzOptions): Promise<FuzzSummary> {
  const { cases, seed, coverage, onFinding } = options;
  const corpus = [...(await target.seeds()), ...(options.corpus ?? [])];
  const given = corpus.length;
  const encoder = new TextEncoder();
  const dictionary = target.dictionary.map((word) =>
    typeof word === 'string' ? encoder.encode(word) : word,
  );
  const { bytesMax, jsonEnd } = target;
  const sources = { random: randomWords(seed), corpus, dictionary, bytesMax, jsonEnd };
  const counts = { accepted: 0, refused: 0, findings: 0 };
  const memoryMb: number[] = [];

  const runOne = async (bytes: Uint8Array): Promise<void> => {
    options.beforeCase?.(bytes);
    try {
      counts[await runTimed(target, bytes)]++;
    } catch (thrown) {
      counts.findings++;
      onFinding(thrown, bytes);
    }
  };
  /** Runs cases again to find those that reached something new; findings were told already. */
  const isolate = async (batch: readonly Uint8Array[]): Promise<void> => {
    for (const bytes of batch) {
      options.beforeCase?.(bytes);
      await ended(target, bytes).catch(() => undefined);
    }
    const spots = coverage!.takeNew();
    if (spots.length === 0) return;
    if (batch.length > 1) {
      await isolate(batch.slice(0, batch.length / 2));
      await isolate(batch.slice(batch.length / 2));
      return;
    }
    coverage!.learn(spots);
    if (corpus.length < given + corpusMax) corpus.push(batch[0]);
  };

  let done = 0;
  // No more than half of what lies between two looks at the memory.
  const most = Math.min(batchCases.most, Math.max(batchCases.least, Math.ceil(cases / 20)));
  let size = batchCases.least;
  let batch: readonly Uint8Array[] = corpus.slice(0, cases);
  while (done < cases) {
    for (const bytes of batch) await runOne(bytes);
    done += batch.length;
    const isGuided = coverage !== undefined && done - batch.length <= cases / 4;
    const spots = isGuided ? coverage.takeNew() : [];
    size = spots.length > 0 ? Math.max(batchCases.least, size / 4) : Math.min(most, size * 2);
    if (isGuided && spots.length > 0) {
      // The first cases are those that were given: they are in the corpus already.
      if (done > given) await isolate(batch);
      // What does not come again, such as what runs once only, is known by now too.
      coverage.learn(spots);
    }
    if (isGuided && done > cases / 4) coverage.stop();
    if (options.watchMemory && done >= (memoryMb.length * cases) / 10) memoryMb.push(await memoryNow());
    batch = Array.from({ length: Math.min(size, cases - done) }, () => mutate(sources));
  }
  const kept = corpus.slice(given);
  if (options.watchMemory) memoryMb.push(await memoryNow());
  const growth = options.watchMemory ? memoryGrowth(memoryMb, kept) : 0;
  if (growth > growthMbMax) {
    counts.findings++;
    onFinding(new Finding(`memory grew by ${growth.toFixed(1)} MB`), new Uint8Array(0));
  }
  return { cases: done, ...counts, kept, memoryMb };
}

/** Ends of a case that are no findings. */
async function ended(target: FuzzTarget, bytes: Uint8Array): Promise<'accepted' | 'refused'> {
  return runCase(target, bytes);
}

/** A case that takes long is run again, and its time of computing counted: the machine may have been busy. */
async function runTimed(target: FuzzTarget, bytes: Uint8Array): Promise<'accepted' | 'refused'> {
  const start = performance.now();
  const pending = runCase(target, bytes);
  const end = typeof pending === 'string' ? pending : await pending;
  if (performance.now() - start < caseMsMax) return end;
  const before = process.cpuUsage();
  await runCase(target, bytes);
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1000;
  if (ms >= caseMsMax) throw new Finding(`a case of ${bytes.length} bytes took ${Math.round(ms)} ms`);
  return end;
}

let collect: (() => void) | undefined;

/** Looks at the memory at most, and how far two may differ for it to have come to rest, in megabytes. */
const looks = { most: 40, apart: 0.5 };

/** Megabytes in use after a collection, once what was given back is free: streams of zlib that failed are closed in later turns. */
async function memoryNow(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  let before = Number.POSITIVE_INFINITY;
  for (let look = 0; ; look++) {
    await sleep(5);
    collect();
    const { heapUsed, external } = process.memoryUsage();
    const megabytes = (heapUsed + external) / 1e6;
    if (Math.abs(before - megabytes) < looks.apart || look === looks.most) return megabytes;
    before = megabytes;
  }
}

/** The least of the last three against the most of what a warm run had. */
function memoryGrowth(memoryMb: readonly number[], kept: readonly Uint8Array[]): number {
  const warm = memoryMb.slice(2, 5);
  const last = memoryMb.slice(-3);
  const keptMb = kept.reduce((sum, { length }) => sum + length + 200, 0) / 1e6;
  return Math.min(...last) - Math.max(...warm, memoryMb[0]) - keptMb;
}
