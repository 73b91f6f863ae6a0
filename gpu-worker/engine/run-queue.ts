// A bounded queue of runs that leave it when they start, when their deadline passes or when their caller gives up.
import { GuardError } from '../../shared/errors.ts';
import type { RunOptions } from './engine.ts';
import type { TaskResults, ThreadTask } from './thread-messages.ts';

/** A run that waits for a thread. */
export interface QueuedRun {
  readonly task: Extract<ThreadTask, { kind: 'run' }>;
  readonly resolve: (outputs: TaskResults['run']) => void;
  readonly reject: (error: unknown) => void;
}

/** How long a run may wait. */
export type WaitBounds = Pick<RunOptions, 'deadlineAt' | 'signal'>;

/** First in, first out. */
export interface RunQueue {
  readonly length: number;
  /** Queues a run; one that may not start any more, or finds the queue full, is rejected at once. */
  add(run: QueuedRun, bounds: WaitBounds): void;
  /** The run that waited longest and may still start, no longer bounded by its deadline or signal; those that may not are rejected. */
  take(): QueuedRun | undefined;
  /** Rejects every waiting run. */
  clear(error: GuardError): void;
}

interface Entry {
  readonly run: QueuedRun;
  /** Instant of `performance.now()`. */
  readonly deadlineAt: number | undefined;
  /** Ends the watch over deadline and signal. */
  readonly unwatch: () => void;
}

/** Makes a queue that holds at most `queueMax` runs. */
export function runQueue(queueMax: number): RunQueue {
  // A Set keeps the order of insertion and gives up any entry in constant time.
  const entries = new Set<Entry>();

  const remove = (entry: Entry) => {
    entry.unwatch();
    entries.delete(entry);
  };
  return {
    get length() {
      return entries.size;
    },
    add(run, { deadlineAt, signal }) {
      const wait = deadlineAt === undefined ? undefined : deadlineAt - performance.now();
      if (signal?.aborted) return run.reject(signal.reason);
      if (wait !== undefined && wait <= 0) return run.reject(tooLate());
      if (entries.size >= queueMax) {
        const detail = `${queueMax} runs wait already`;
        return run.reject(new GuardError('overloaded', detail, { retryAfterSeconds: 1 }));
      }
      const give = (reason: () => unknown) => () => {
        remove(entry);
        run.reject(reason());
      };
      const abandon = give(() => signal?.reason);
      const timer = wait === undefined ? undefined : setTimeout(give(tooLate), wait);
      signal?.addEventListener('abort', abandon, { once: true });
      const entry: Entry = {
        run,
        deadlineAt,
        unwatch() {
          clearTimeout(timer);
          signal?.removeEventListener('abort', abandon);
        },
      };
      entries.add(entry);
    },
    take() {
      for (const entry of entries) {
        remove(entry);
        // A timer fires late where the process is busy or was stopped for a while: nobody waits for this run any more.
        if (entry.deadlineAt === undefined || performance.now() < entry.deadlineAt) return entry.run;
        entry.run.reject(tooLate());
      }
      return undefined;
    },
    clear(error) {
      for (const entry of entries) {
        remove(entry);
        entry.run.reject(error);
      }
    },
  };
}

function tooLate(): GuardError {
  return new GuardError('deadline_exceeded', 'the deadline passed before a worker was free');
}
