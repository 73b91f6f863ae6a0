// The circuit breaker by a clock of its own: when it opens, whom it lets try, and when it closes.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type BreakerState,
  breakerBounds,
  type CallOutcome,
  type CircuitBreaker,
  circuitBreaker,
} from '../../../edge/clients/circuit-breaker.ts';

const { windowMs, callsMin, openMs, openMsMax, probeMs } = breakerBounds;
let time: number;
let changes: BreakerState[];
let breaker: CircuitBreaker;
beforeEach(() => {
  time = 1_700_000_000_000;
  changes = [];
  // Half of the spread: an opening lasts exactly as long as the bounds say.
  const [now, random] = [() => time, () => 0.5];
  breaker = circuitBreaker({ now, random, onChange: (state) => changes.push(state) });
});

const call = (outcome: CallOutcome) => breaker.admit()!(outcome);
const calls = (count: number, outcome: CallOutcome) => {
  for (let index = 0; index < count; index++) call(outcome);
};
const trip = () => calls(callsMin, 'failed');

describe('a closed breaker', () => {
  it('opens with the last failure that makes half of enough calls', () => {
    calls(callsMin / 2, 'answered');
    calls(callsMin / 2 - 1, 'failed');
    expect(breaker.state).toBe('closed');
    call('failed');
    expect(breaker.state).toBe('open');
    expect(changes).toEqual(['open']);
  });

  it('concludes nothing from few calls', () => {
    calls(callsMin - 1, 'failed');
    expect(breaker.state).toBe('closed');
  });

  it('stays closed while less than half fails, however much that is', () => {
    for (let round = 0; round < 100; round++) {
      calls(2, 'answered');
      call('failed');
    }
    expect(breaker.state).toBe('closed');
  });

  it('never opens by calls that say nothing', () => {
    calls(1_000, 'unknown');
    expect(breaker.state).toBe('closed');
  });

  it('forgets what is older than its window', () => {
    calls(callsMin - 1, 'failed');
    time += windowMs;
    call('failed');
    expect(breaker.state).toBe('closed');
  });
});

describe('an open breaker', () => {
  beforeEach(trip);

  it('admits nothing until its time is over, and says how long that is', () => {
    expect(breaker.admit()).toBeUndefined();
    expect(breaker.waitMs()).toBe(openMs);
    time += openMs - 1;
    expect(breaker.admit()).toBeUndefined();
    time += 1;
    expect(breaker.admit()).toBeDefined();
  });

  it('does not heed calls that began before it opened', () => {
    const other = circuitBreaker({ now: () => time, random: () => 0.5 });
    const early = Array.from({ length: callsMin + 1 }, () => other.admit()!);
    for (const report of early.slice(0, callsMin)) report('failed');
    early[callsMin]('answered');
    expect(other.state).toBe('open');
    expect(other.waitMs()).toBe(openMs);
  });

  it('opens for a time that differs between isolates', () => {
    const waits = [0, 0.999].map((spread) => {
      const one = circuitBreaker({ now: () => time, random: () => spread });
      for (let index = 0; index < callsMin; index++) one.admit()!('failed');
      return one.waitMs();
    });
    expect(waits[0]).toBeCloseTo(0.75 * openMs);
    expect(waits[1]).toBeCloseTo(1.25 * openMs, -1);
  });
});

describe('a half-open breaker', () => {
  beforeEach(() => {
    trip();
    time += openMs;
  });

  it('admits one probe and closes with its answer', () => {
    const probe = breaker.admit()!;
    expect(breaker.state).toBe('half_open');
    expect(breaker.admit()).toBeUndefined();
    probe('answered');
    expect(breaker.state).toBe('closed');
    // Counted from nothing.
    calls(callsMin - 1, 'failed');
    expect(changes).toEqual(['open', 'half_open', 'closed']);
  });

  it('opens for twice as long with each probe that fails, up to a bound', () => {
    const waits = Array.from({ length: 6 }, () => {
      call('failed');
      const wait = breaker.waitMs();
      time += wait;
      return wait;
    });
    expect(waits).toEqual([2, 4, 8, 15, 15, 15].map((times) => times * openMs));
    expect(openMsMax).toBe(15 * openMs);
  });

  it('asks again at once where the probe said nothing', () => {
    call('unknown');
    expect(breaker.state).toBe('half_open');
    call('answered');
    expect(breaker.state).toBe('closed');
  });

  it('takes a probe for lost after a while, and does not heed it any more', () => {
    const lost = breaker.admit()!;
    time += probeMs - 1;
    expect(breaker.admit()).toBeUndefined();
    time += 1;
    const second = breaker.admit()!;
    lost('failed');
    expect(breaker.state).toBe('half_open');
    second('answered');
    expect(breaker.state).toBe('closed');
  });
});
