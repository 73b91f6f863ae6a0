// A circuit breaker: stops asking a neighbour that keeps failing, and finds out by one call at a time when it is back.

/** What a breaker does with calls: lets all pass, lets one try, lets none. */
export const breakerStates = ['closed', 'half_open', 'open'] as const;
export type BreakerState = (typeof breakerStates)[number];

/**
 * What a call says of its neighbour: that it is there, whatever it answered; that it is in trouble; or nothing, such as where
 * the caller gave it too little time.
 */
export type CallOutcome = 'answered' | 'failed' | 'unknown';

/** Bounds of a breaker. */
export interface BreakerBounds {
  /** Time over which calls are counted. */
  readonly windowMs: number;
  /** Calls of the window without which nothing is concluded. */
  readonly callsMin: number;
  /** Share of failed calls at which the breaker opens, in (0, 1]. */
  readonly failureShare: number;
  /** Time for which it stays open at first; it doubles with each probe that fails. */
  readonly openMs: number;
  readonly openMsMax: number;
  /** Time after which a probe that said nothing is taken for lost: an isolate's requests can end without a word. */
  readonly probeMs: number;
}

/** The bounds of every neighbour where nothing else is said. */
export const breakerBounds: BreakerBounds = {
  windowMs: 10_000,
  callsMin: 20,
  failureShare: 0.5,
  openMs: 1_000,
  openMsMax: 15_000,
  probeMs: 5_000,
};

/** What a breaker is made of. */
export interface BreakerOptions {
  readonly bounds?: Partial<BreakerBounds>;
  readonly onChange?: (state: BreakerState) => void;
  /** Milliseconds. */
  readonly now?: () => number;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Guards the calls to one neighbour. It holds numbers alone, no promise of one request that another would wait for. */
export interface CircuitBreaker {
  readonly state: BreakerState;
  /** Time until a call may be made again; 0 where one may be made now. */
  waitMs(): number;
  /** Asks for leave of one call: gives what is to be told how the call ended, or undefined where none may be made. */
  admit(): ((outcome: CallOutcome) => void) | undefined;
}

/** Parts of the window: calls are forgotten one part at a time. */
const slots = 10;

/** Makes a closed breaker. */
export function circuitBreaker(options: BreakerOptions = {}): CircuitBreaker {
  const { onChange = () => undefined, now = Date.now, random = Math.random } = options;
  const bounds = { ...breakerBounds, ...options.bounds };
  const counts = callCounts(bounds.windowMs, now);
  let state: BreakerState = 'closed';
  /** Counts changes of state: a call that began before the last one says nothing of the present. */
  let era = 0;
  let openings = 0;
  /** Until when no call is made, in the state open or, while a probe is under way, half-open. */
  let closedUntil = 0;

  const change = (next: BreakerState) => {
    state = next;
    era++;
    counts.clear();
    onChange(next);
  };
  const open = () => {
    const openMs = Math.min(bounds.openMsMax, bounds.openMs * 2 ** openings);
    openings++;
    // Isolates that saw the same failure must not all ask again at the same moment.
    closedUntil = now() + openMs * (0.75 + 0.5 * random());
    change('open');
  };
  const count = (failed: boolean) => {
    counts.add(failed);
    if (!failed) return;
    const { calls, failures } = counts.sums();
    if (calls >= bounds.callsMin && failures >= bounds.failureShare * calls) open();
  };
  const reportCall = (of: number) => (outcome: CallOutcome) => {
    if (of === era && outcome !== 'unknown') count(outcome === 'failed');
  };
  const reportProbe = (of: number) => (outcome: CallOutcome) => {
    if (of !== era) return;
    if (outcome === 'failed') return open();
    closedUntil = 0;
    if (outcome === 'unknown') return;
    openings = 0;
    change('closed');
  };
  return {
    get state() {
      return state;
    },
    waitMs: () => (state === 'closed' ? 0 : Math.max(0, closedUntil - now())),
    admit() {
      if (state === 'closed') return reportCall(era);
      if (now() < closedUntil) return undefined;
      // Also where a probe was lost: its own word, should it still come, is of an era that has ended.
      change('half_open');
      closedUntil = now() + bounds.probeMs;
      return reportProbe(era);
    },
  };
}

/** Counts calls over a window that moves on by a tenth of itself. */
function callCounts(windowMs: number, now: () => number) {
  const slotMs = windowMs / slots;
  const counted = new Map<number, { calls: number; failures: number }>();
  return {
    clear: () => counted.clear(),
    add(failed: boolean) {
      const slot = Math.floor(now() / slotMs);
      let current = counted.get(slot);
      if (current === undefined) {
        current = { calls: 0, failures: 0 };
        for (const old of counted.keys()) if (old <= slot - slots) counted.delete(old);
        counted.set(slot, current);
      }
      current.calls++;
      if (failed) current.failures++;
    },
    /** Calls of the window; just added to, so that nothing in it is older. */
    sums() {
      let [calls, failures] = [0, 0];
      for (const each of counted.values()) {
        calls += each.calls;
        failures += each.failures;
      }
      return { calls, failures };
    },
  };
}
