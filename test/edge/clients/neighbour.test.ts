// Calls to a neighbour by a clock of its own: which are made again, when, how often, and what an open breaker answers.
import { beforeEach, describe, expect, it } from 'vitest';
import { breakerBounds, circuitBreaker } from '../../../edge/clients/circuit-breaker.ts';
import {
  type Attempt,
  backoffMs,
  type Neighbour,
  neighbour,
  retriesSavedMax,
  retryShare,
  triesMax,
} from '../../../edge/clients/neighbour.ts';
import { type ErrorCode, GuardError } from '../../../shared/errors.ts';

let time: number;
let waits: number[];
let asked: number;
let worker: Neighbour;
/** A neighbour whose breaker never opens unless the test lets it. */
const start = (callsMin = Number.POSITIVE_INFINITY) => {
  [time, waits, asked] = [0, [], 0];
  const now = () => time;
  worker = neighbour({
    name: 'the neighbour',
    breaker: circuitBreaker({ bounds: { callsMin }, now, random: () => 0.5 }),
    now,
    random: () => 0.5,
    async sleep(ms) {
      waits.push(ms);
      time += ms;
    },
  });
};
beforeEach(() => start());

const deadlineAt = 1_000_000;
const broken = (code: ErrorCode, retry: boolean): Attempt<never> => {
  return { outcome: 'failed', error: new GuardError(code, 'no'), retry };
};
const answered: Attempt<string> = { outcome: 'answered', answer: 'yes' };
/** Gives these one after the other, then answers. */
const ask = (...attempts: Attempt<never>[]) => {
  const list = [...attempts];
  return worker.ask(async () => {
    asked++;
    return list.shift() ?? answered;
  }, deadlineAt);
};
const unreachable = broken('extractor_unreachable', true);

describe('a call that fails', () => {
  it('is made again where that is safe, after waits that grow', async () => {
    expect(await ask(unreachable, unreachable)).toBe('yes');
    expect(waits).toEqual([backoffMs / 2, backoffMs]);
  });

  it('is made so often and no more', async () => {
    const attempts = Array.from({ length: triesMax }, () => unreachable);
    await expect(ask(...attempts)).rejects.toMatchObject({ code: 'extractor_unreachable' });
    expect(asked).toBe(triesMax);
  });

  it('is not made again where that is not safe', async () => {
    await expect(ask(broken('deadline_exceeded', false))).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    expect(asked).toBe(1);
    expect(waits).toEqual([]);
  });

  it('is not made again where the deadline would pass', async () => {
    time = deadlineAt - backoffMs / 2;
    await expect(ask(unreachable)).rejects.toMatchObject({ code: 'extractor_unreachable' });
    expect(asked).toBe(1);
  });

  it('waits anywhere between nothing and the whole back-off', async () => {
    const spreads = [0, 0.999];
    const one = neighbour({
      name: 'n',
      random: () => spreads.shift()!,
      async sleep(ms) {
        waits.push(ms);
      },
    });
    const list = [unreachable, unreachable];
    await one.ask(async () => list.shift() ?? answered, Date.now() + 10_000);
    expect(waits[0]).toBe(0);
    expect(waits[1]).toBeCloseTo(2 * backoffMs, 0);
  });
});

describe('a neighbour that is dead', () => {
  it('gets a tenth more calls, and the few that were saved up', async () => {
    const calls = 200;
    for (let call = 0; call < calls; call++) {
      await expect(ask(unreachable, unreachable, unreachable)).rejects.toThrow();
    }
    const retries = asked - calls;
    expect(retries).toBeLessThanOrEqual(retriesSavedMax + retryShare * calls);
    expect(retries).toBeGreaterThan(retryShare * calls);
  });

  it('is not asked once its breaker is open, and the refusal has the code of what opened it', async () => {
    start(10);
    const late = broken('deadline_exceeded', false);
    for (let call = 0; call < 10; call++) await expect(ask(late)).rejects.toThrow('no');
    await expect(ask()).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: 'the neighbour failed too often of late and is not asked for now',
      retryAfterSeconds: 1,
    });
    expect(asked).toBe(10);
    time += breakerBounds.openMs;
    expect(await ask()).toBe('yes');
  });

  it('is not tried again by a call during which its breaker opens', async () => {
    start(2);
    await expect(ask(unreachable, unreachable)).rejects.toThrow('no');
    expect(asked).toBe(2);
  });
});
