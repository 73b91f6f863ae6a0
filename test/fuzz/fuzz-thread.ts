// The thread that fuzzes; the one that started it watches that it goes on.
import { parentPort, workerData } from 'node:worker_threads';
import { startBlockCoverage } from './block-coverage.ts';
import { findingFiles, readCases, writeCases } from './finding-files.ts';
import { fuzzLoop } from './fuzz-loop.ts';
import { runCase } from './target.ts';
import { targetByName } from './targets.ts';

/** What a thread is given. */
export interface FuzzThreadData {
  readonly target: string;
  readonly cases: number;
  readonly seed: number;
  /** Folder of findings. */
  readonly findings: string;
  /** Folder of cases that reached something new, read before and written after. */
  readonly corpus?: string;
  /** Number of the case, its length, then its bytes. */
  readonly watched: SharedArrayBuffer;
}

const { target: name, cases, seed, findings, corpus, watched } = workerData as FuzzThreadData;
const target = targetByName(name);
const files = findingFiles(findings);
const [head, body] = [new Int32Array(watched, 0, 2), new Uint8Array(watched, 8)];
const coverage = startBlockCoverage();
const start = performance.now();
// Refusals are thrown by the million; where they come from is asked for findings alone.
Error.stackTraceLimit = 0;
const summary = await fuzzLoop(target, {
  cases,
  seed,
  coverage,
  watchMemory: true,
  corpus: corpus === undefined ? [] : readCases(corpus).map(({ bytes }) => bytes),
  beforeCase(bytes) {
    head[1] = Math.min(bytes.length, body.length);
    body.set(bytes.subarray(0, head[1]));
    head[0]++;
  },
  onFinding(thrown, bytes) {
    Error.stackTraceLimit = 20;
    const again = sameAgain(bytes) ?? thrown;
    Error.stackTraceLimit = 0;
    const told = files.keep(again, bytes);
    if (told !== undefined) process.stderr.write(`${name}: ${told}\n`);
  },
});
if (corpus !== undefined) writeCases(corpus, summary.kept);
const { kept, memoryMb, ...counts } = summary;
parentPort!.postMessage({
  target: name,
  seed,
  ...counts,
  kept: kept.length,
  covered: coverage.covered,
  seconds: Math.round((performance.now() - start) / 100) / 10,
  memoryMb: memoryMb.map((megabytes) => Math.round(megabytes * 10) / 10),
});

/** What a reader throws when it reads the case once more, with the place; undefined of one that reads in the background. */
function sameAgain(bytes: Uint8Array): unknown {
  try {
    const end = runCase(target, bytes);
    if (typeof end !== 'string') end.catch(() => undefined);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}
