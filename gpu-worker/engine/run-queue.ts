// A bounded queue of runs that leave it when they start, when their deadline passes or when their caller gives up.
import { GuardError } from '../../shared/errors.ts';
import type { RunOptions } from './engine.ts';
import type { TaskResults, ThreadTask } from './thread-messages.ts';

/** How long a run may wait. */
export type WaitBounds = Pick<RunOptions, 'deadlineAt' | 'signal'>;

/** A run that waits for a thread. */
export interface QueuedRun {
  readonly task: Extract<ThreadTask, { kind: 'run' }>;
  readonly bounds: WaitBounds;
  /** Bytes of its inputs. */
  readonly bytes: number;
  /** Of a run that may be joined with others: those of the same key may, until they have so many rows. */
  readonly join?: JoinedBy | undefined;
  /** Whether it ran with others before, and their failure may have been its own. */
  readonly isRepeated?: boolean;
  readonly resolve: (outputs: TaskResults['run']) => void;
  readonly reject: (error: unknown) => void;
}

/** With what a run may be joined. */
export interface JoinedBy {
  readonly key: string;
  /** Rows of the run itself. */
  readonly rows: number;
}

/** How much may wait, and how runs are joined. */
export interface QueueBounds {
  /** Runs that wait. */
  readonly runsMax: number;
  /** Bytes of their inputs; a single run may have more. */
  readonly bytesMax: number;
  /** Rows of runs that leave the queue together; 1 joins none. */
  readonly rowsMax: number;
  /** Longest that a run waits for others to join it, in milliseconds. */
  readonly delayMs: number;
}

/** First in, first out. */
export interface RunQueue {
  readonly length: number;
  /** Bytes of the inputs that wait. */
  readonly bytes: number;
  /** Queues a run; one that may not start any more, or finds the queue full, is rejected at once. */
  add(run: QueuedRun): void;
  /** Queues a run once more that had left, however full the queue is; it is neither joined nor handed over with others any more. */
  addAgain(run: QueuedRun): void;
  /**
   * The run that waited longest and may still start, with those that it may be joined with, no longer bounded by their deadlines or
   * signals; those that may not start are rejected. None where each waits for others to join it.
   */
  take(): QueuedRun[];
  /** Model of the run that waits longest. */
  readonly next: number | undefined;
  /** Instant of `performance.now()` from which the next run waits for no others any more; undefined where none waits. */
  readonly ripeAt: number | undefined;
  /** Rejects every waiting run. */
  clear(error: GuardError): void;
}

interface Entry {
  readonly run: QueuedRun;
  /** Instant of `performance.now()` from which it waits for no others. */
  readonly ripeAt: number;
  /** Ends the watch over deadline and signal. */
  readonly unwatch: () => void;
}

/** Makes a queue. */
export function runQueue({ runsMax, bytesMax, rowsMax, delayMs }: QueueBounds): RunQueue {
  // A Set keeps the order of insertion and gives up any entry in constant time.
  const entries = new Set<Entry>();
  let bytes = 0;

  const remove = (entry: Entry) => {
    entry.unwatch();
    if (entries.delete(entry)) bytes -= entry.run.bytes;
  };
  const enter = (run: QueuedRun) => {
    const { deadlineAt, signal } = run.bounds;
    const now = performance.now();
    const wait = deadlineAt === undefined ? undefined : deadlineAt - now;
    if (signal?.aborted) return run.reject(signal.reason);
    if (wait !== undefined && wait <= 0) return run.reject(tooLate());
    const give = (reason: () => unknown) => () => {
      remove(entry);
      run.reject(reason());
    };
    const abandon = give(() => signal?.reason);
    const timer = wait === undefined ? undefined : setTimeout(give(tooLate), wait);
    signal?.addEventListener('abort', abandon, { once: true });
    // Who has little time left would lose too much of it to waiting for others.
    const joins =
      run.join !== undefined && run.join.rows < rowsMax && (wait === undefined || wait > 2 * delayMs);
    const entry: Entry = {
      run,
      ripeAt: joins ? now + delayMs : now,
      unwatch() {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abandon);
      },
    };
    entries.add(entry);
    bytes += run.bytes;
  };
  /** Takes an entry out; whether it may still start. */
  const leaves = (entry: Entry): boolean => {
    remove(entry);
    const { deadlineAt } = entry.run.bounds;
    // A timer fires late where the process is busy or was stopped for a while: nobody waits for this run any more.
    if (deadlineAt === undefined || performance.now() < deadlineAt) return true;
    entry.run.reject(tooLate());
    return false;
  };
  /** What joins a run, itself first, up to the rows that go together. */
  const group = (first: Entry): Entry[] => {
    const { join } = first.run;
    if (join === undefined || rowsMax === 1) return [first];
    const found = [first];
    let { rows } = join;
    for (const entry of entries) {
      const other = entry.run.join;
      if (rows >= rowsMax) break;
      if (entry === first || other?.key !== join.key || rows + other.rows > rowsMax) continue;
      found.push(entry);
      rows += other.rows;
    }
    return found;
  };
  return {
    get length() {
      return entries.size;
    },
    get bytes() {
      return bytes;
    },
    get next() {
      const [first] = entries;
      return first?.run.task.model;
    },
    get ripeAt() {
      let earliest: number | undefined;
      for (const { ripeAt } of entries) if (earliest === undefined || ripeAt < earliest) earliest = ripeAt;
      return earliest;
    },
    add(run) {
      const full =
        entries.size >= runsMax
          ? `${runsMax} runs wait already`
          : entries.size > 0 &&
            bytes + run.bytes > bytesMax &&
            `runs of ${bytes} bytes wait already; the limit is ${bytesMax}`;
      if (full) return run.reject(new GuardError('overloaded', full, { retryAfterSeconds: 1 }));
      enter(run);
    },
    addAgain(run) {
      enter({ ...run, join: undefined, isRepeated: true });
    },
    take() {
      const looked = new Set<string>();
      for (const entry of entries) {
        const key = entry.run.join?.key;
        // Behind one that waits for others, those of its key are looked at with it.
        if (key !== undefined && looked.has(key)) continue;
        const together = group(entry);
        const rows = together.reduce((sum, { run }) => sum + (run.join?.rows ?? 1), 0);
        if (entry.ripeAt > performance.now() && rows < rowsMax) {
          looked.add(key!);
          continue;
        }
        const taken = together.filter(leaves).map(({ run }) => run);
        if (taken.length > 0) return taken;
      }
      return [];
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
