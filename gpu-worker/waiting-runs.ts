// Runs that wait until their model is loaded: bounded as those that wait for a worker are.
import { GuardError } from '../shared/errors.ts';
import type { RunOptions } from './engine/engine.ts';

/** How much may wait. */
export interface WaitingBounds {
  readonly runsMax: number;
  /** Bytes of their inputs; a single run may have more. */
  readonly bytesMax: number;
}

/** How long a run may wait, and the bytes of its inputs. */
export type Waiting = Pick<RunOptions, 'deadlineAt' | 'signal'> & { readonly bytes: number };

interface Waiter<T> {
  /** Takes it out; what it waits for is no longer bounded by its deadline or signal. */
  readonly leave: () => void;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** Waiters by what they wait for. */
export class WaitingRuns<T> {
  readonly #bounds: WaitingBounds;
  readonly #waiters = new Map<string, Set<Waiter<T>>>();
  #runs = 0;
  #bytes = 0;

  constructor(bounds: WaitingBounds) {
    this.#bounds = bounds;
  }

  /** Runs that wait. */
  get length(): number {
    return this.#runs;
  }

  /**
   * Waits for `key`.
   * @throws GuardError `overloaded` where too much waits already, `deadline_exceeded`; the reason of `signal`
   */
  wait(key: string, { bytes, deadlineAt, signal }: Waiting): Promise<T> {
    signal?.throwIfAborted();
    const { runsMax, bytesMax } = this.#bounds;
    if (this.#runs >= runsMax || (this.#runs > 0 && this.#bytes + bytes > bytesMax)) {
      const detail = `${this.#runs} runs wait for their models to be loaded already`;
      throw new GuardError('overloaded', detail, { retryAfterSeconds: 1 });
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const give = (reason: () => unknown) => () => {
      waiter.leave();
      reject(reason());
    };
    const late = give(
      () => new GuardError('deadline_exceeded', 'the deadline passed before the model was loaded'),
    );
    const abandon = give(() => signal?.reason);
    const timer = deadlineAt === undefined ? undefined : setTimeout(late, deadlineAt - performance.now());
    signal?.addEventListener('abort', abandon, { once: true });
    const waiter: Waiter<T> = {
      leave: () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abandon);
        this.#waiters.get(key)?.delete(waiter);
        this.#runs--;
        this.#bytes -= bytes;
      },
      resolve,
      reject,
    };
    const others = this.#waiters.get(key) ?? new Set();
    this.#waiters.set(key, others.add(waiter));
    this.#runs++;
    this.#bytes += bytes;
    return promise;
  }

  /** Whether anybody waits for `key`. */
  has(key: string): boolean {
    return (this.#waiters.get(key)?.size ?? 0) > 0;
  }

  /**
   * Gives all who wait for `key` what they waited for.
   * @returns how many they were
   */
  admit(key: string, value: T): number {
    return this.#end(key, ({ resolve }) => resolve(value));
  }

  /** Fails all who wait for `key`. */
  refuse(key: string, reason: unknown): void {
    this.#end(key, ({ reject }) => reject(reason));
  }

  #end(key: string, settle: (waiter: Waiter<T>) => void): number {
    const waiters = [...(this.#waiters.get(key) ?? [])];
    for (const waiter of waiters) {
      waiter.leave();
      settle(waiter);
    }
    this.#waiters.delete(key);
    return waiters.length;
  }
}
