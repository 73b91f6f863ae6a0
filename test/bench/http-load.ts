// Load over HTTP: one contender after the other, round by round, and what it took.
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon, { type Result } from 'autocannon';

/** Requests that are all alike. */
export interface Contender {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** What one round of one contender gave. */
export interface Measurement {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  /** Answers that were not 200, and requests without one. */
  readonly failed: number;
}

/** How requests come. */
export interface Pace {
  readonly connections: number;
  /** Requests a second over all connections; without it each connection sends the next as soon as it has an answer. */
  readonly perSecond?: number;
}

/**
 * Measures contenders in turns: the first round warms up and is not kept, and the order turns with every round.
 * @returns [contenders][rounds]
 */
export async function measureInTurns(
  contenders: readonly Contender[],
  { rounds, seconds, ...pace }: { rounds: number; seconds: number } & Pace,
): Promise<Measurement[][]> {
  const measured = contenders.map((): Measurement[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (round + turn) % contenders.length;
      const duration = round === 0 ? Math.min(seconds, 2) : seconds;
      const measurement = await load(contenders[index], { ...pace, duration });
      if (round > 0) measured[index].push(measurement);
      // What is done behind an answer must not fall into the next turn.
      await sleep(500);
    }
  }
  return measured;
}

async function load(
  { url, headers, body }: Contender,
  { connections, perSecond, duration }: Pace & { readonly duration: number },
): Promise<Measurement> {
  const times: number[] = [];
  let failed = 0;
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const paced = perSecond === undefined ? {} : { overallRate: perSecond };
  const options = { url, method: 'POST', headers, body, connections, duration, ...paced } as const;
  const instance = autocannon(options, (error, result) => (error === null ? resolve(result) : reject(error)));
  instance.on('response', (_client: unknown, status: number, _bytes: number, ms: number) => {
    times.push(ms);
    if (status !== 200) failed++;
  });
  const { errors } = await promise;
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(times, share));
  return { p50, p99, perSecond: times.length / duration, failed: failed + errors };
}

/** Median and extremes, as `2.31 [2.21 to 2.66]`. */
export function spread(numbers: readonly number[]): string {
  const [low, middle, high] = [0, 0.5, 1].map((share) => quantile(numbers, share));
  const digits = Math.abs(middle) >= 100 ? 0 : 2;
  return `${middle.toFixed(digits)} [${low.toFixed(digits)} to ${high.toFixed(digits)}]`;
}

function quantile(numbers: readonly number[], share: number): number {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}
