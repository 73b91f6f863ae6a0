// Calls to one neighbour within their deadline: through its circuit breaker, again where that is safe, and never as a storm.
import { type ErrorCode, GuardError } from '../../shared/errors.ts';
import { type CallOutcome, type CircuitBreaker, circuitBreaker } from './circuit-breaker.ts';

/** How one attempt ended. */
export type Attempt<T> =
  | { readonly outcome: CallOutcome; readonly answer: T }
  | {
      readonly outcome: CallOutcome;
      readonly error: GuardError;
      /** Whether asking again is safe and may help. */
      readonly retry: boolean;
    };

/** Tries of one call, the first among them. */
export const triesMax = 3;
/** Longest wait before the second try, which doubles for the third; each wait is uniform from nothing to its longest. */
export const backoffMs = 25;
/** Time that must be left for a try to be worth it. */
export const tryMsMin = 10;
/** Retries that each call earns the neighbour, and the most that are saved up: a dead neighbour gets a tenth more calls, not thrice as many. */
export const retryShare = 0.1;
export const retriesSavedMax = 10;

/** What a neighbour is made of. */
export interface NeighbourOptions {
  /** As errors name it. */
  readonly name: string;
  readonly breaker?: CircuitBreaker;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
}

/** A neighbour that can fail. */
export interface Neighbour {
  /**
   * Makes a call.
   * @param attempt one try, which keeps to the deadline by itself and never throws
   * @throws GuardError of the last try; where the breaker is open, one with the code of the failure that keeps it open, so that
   *   whoever decides by the kind of a failure decides as if the call had been made
   */
  ask<T>(attempt: () => Promise<Attempt<T>>, deadlineAt: number): Promise<T>;
}

/** Makes a neighbour; what it knows of its state ends with the isolate. */
export function neighbour({
  name,
  breaker = circuitBreaker(),
  now = Date.now,
  random = Math.random,
  sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}: NeighbourOptions): Neighbour {
  let retriesSaved = retriesSavedMax;
  let lastFailure: ErrorCode = 'internal';
  /** Waits before the next try; false where there is to be none. */
  const backOff = async (tries: number, deadlineAt: number): Promise<boolean> => {
    if (tries >= triesMax || retriesSaved < 1) return false;
    const waitMs = random() * backoffMs * 2 ** (tries - 1);
    if (now() + waitMs + tryMsMin > deadlineAt) return false;
    retriesSaved--;
    await sleep(waitMs);
    return true;
  };
  const refusal = () =>
    new GuardError(lastFailure, `${name} failed too often of late and is not asked for now`, {
      retryAfterSeconds: Math.max(1, Math.ceil(breaker.waitMs() / 1_000)),
    });
  return {
    async ask<T>(attempt: () => Promise<Attempt<T>>, deadlineAt: number): Promise<T> {
      retriesSaved = Math.min(retriesSavedMax, retriesSaved + retryShare);
      let failed: GuardError | undefined;
      for (let tries = 1; ; tries++) {
        const report = breaker.admit();
        if (report === undefined) throw failed ?? refusal();
        const ended = await attempt();
        if ('error' in ended && ended.outcome === 'failed') lastFailure = ended.error.code;
        report(ended.outcome);
        if ('answer' in ended) return ended.answer;
        failed = ended.error;
        if (!ended.retry || !(await backOff(tries, deadlineAt))) throw failed;
      }
    },
  };
}
