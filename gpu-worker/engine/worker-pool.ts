// Worker threads behind one queue: a run goes to the first idle thread, a thread that dies is replaced.
import { assert } from '../../shared/assert.ts';
import { asGuardError, GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { Tensor } from '../../shared/maths/tensor.ts';
import type { EngineFigures } from './engine.ts';
import { joinedBy, joinFeeds, splitOutputs } from './join-runs.ts';
import { type QueueBounds, type QueuedRun, runQueue, type WaitBounds } from './run-queue.ts';
import { RuntimeRefusal, startThread, type Thread } from './thread.ts';
import type { ModelSpecs, TaskResults, ThreadTask } from './thread-messages.ts';

/** How a pool is made. */
export interface WorkerPoolOptions {
  /** Module that every thread runs. */
  readonly url: URL;
  /** What every thread is told when it starts. */
  readonly data?: unknown;
  /** Number of threads. */
  readonly workers: number;
  /** What may wait for a thread, and how runs are joined. */
  readonly queue: QueueBounds;
}

/** What a pool keeps of a model, so that a new thread can load it. */
export type ModelFile = Pick<Extract<ThreadTask, { kind: 'load' }>, 'bytes' | 'optimisation' | 'warmUp'>;

interface PooledModel {
  readonly file: ModelFile;
  /** Sizes of the batches that its runs are joined to, ascending; undefined where they are not. */
  readonly joinSizes: readonly number[] | undefined;
  /** What a run took lately, in milliseconds; unknown at first. */
  runMs: number | undefined;
  /** Runs that wait or are at work. */
  open: number;
  released: boolean;
  /** Called where the last run has ended. */
  ended?: () => void;
}

/** Runs that one message hands to a thread take so long together at most, in milliseconds, and are so many. */
const handoverMsMax = 2;
const handoverRunsMax = 8;

/** Threads that all hold the same models. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #idle: Thread[] = [];
  readonly #queue;
  readonly #models = new Map<number, PooledModel>();
  #lastModel = 0;
  #running = 0;
  #batches = 0;
  #runs = 0;
  #ripening: NodeJS.Timeout | undefined;
  #closed: GuardError | undefined;
  #drained: (() => void) | undefined;

  /**
   * Starts the threads.
   * @throws GuardError `internal` where one of them does not start
   */
  static async start(options: WorkerPoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options);
    const started = await Promise.allSettled(
      Array.from({ length: options.workers }, () => pool.#addThread()),
    );
    const failed = started.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) {
      await pool.close();
      throw failed.reason;
    }
    return pool;
  }

  private constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#queue = runQueue(options.queue);
  }

  /** What the threads' runtime says that it runs on. */
  get device(): string | undefined {
    return [...this.#threads][0]?.device;
  }

  get figures(): EngineFigures {
    const { length: waitingRuns, bytes: waitingBytes } = this.#queue;
    return { waitingRuns, waitingBytes, batches: this.#batches, runs: this.#runs };
  }

  /**
   * Loads a model in every thread.
   * @param joinSizes sizes of the batches that its runs are joined to, ascending; they are not where it is not given
   * @returns the number that names the model in this pool, and its inputs and outputs
   * @throws RuntimeRefusal where the runtime refuses the file
   */
  async load(file: ModelFile, joinSizes?: readonly number[]): Promise<{ model: number; specs: ModelSpecs }> {
    if (this.#closed !== undefined) throw this.#closed;
    const model = ++this.#lastModel;
    // Known before it is loaded, so that a thread that starts meanwhile loads it too.
    this.#models.set(model, { file, joinSizes, runMs: undefined, open: 0, released: false });
    const loads = await Promise.allSettled(
      [...this.#threads].map((thread) => thread.call<'load'>({ kind: 'load', model, ...file })),
    );
    const failed = loads.find((outcome) => outcome.status === 'rejected');
    const loaded = loads.find((outcome) => outcome.status === 'fulfilled');
    if (failed === undefined && loaded !== undefined) return { model, specs: loaded.value };
    await this.#forget(model);
    throw failed?.reason ?? new GuardError('internal', 'no worker thread is alive');
  }

  /**
   * Runs a model once, on the first thread that is free.
   * @throws GuardError as `LoadedModel.run` says; RuntimeRefusal where the runtime refuses the feeds
   */
  async run(
    task: Omit<Extract<ThreadTask, { kind: 'run' }>, 'kind'>,
    bounds: WaitBounds,
  ): Promise<TaskResults['run']> {
    const model = this.#models.get(task.model);
    if (this.#closed !== undefined) throw this.#closed;
    assert(model !== undefined && !model.released, 'the model is loaded and not released');
    model.open++;
    const outcome = Promise.withResolvers<TaskResults['run']>();
    const bytes = Object.values(task.feeds).reduce((sum, { data }) => sum + data.byteLength, 0);
    const join = model.joinSizes && joinedBy(task.model, task);
    this.#queue.add({ task: { kind: 'run', ...task }, bounds, bytes, join, ...outcome });
    this.#dispatch();
    try {
      return await outcome.promise;
    } finally {
      model.open--;
      if (model.open === 0) model.ended?.();
    }
  }

  /** Frees a model in every thread after its last run. */
  async release(number: number): Promise<void> {
    const model = this.#models.get(number);
    if (model === undefined || model.released) return;
    model.released = true;
    const ended = Promise.withResolvers<void>();
    model.ended = ended.resolve;
    if (model.open > 0) await ended.promise;
    await this.#forget(number);
  }

  /** Refuses what waits, lets finish what runs and ends the threads. */
  async close(): Promise<void> {
    this.#closed ??= new GuardError('overloaded', 'the engine is closed');
    this.#queue.clear(this.#closed);
    clearTimeout(this.#ripening);
    if (this.#running > 0) {
      const drained = Promise.withResolvers<void>();
      this.#drained = drained.resolve;
      await drained.promise;
    }
    this.#queue.clear(this.#closed);
    await Promise.all([...this.#threads].map((thread) => thread.stop()));
    this.#threads.clear();
  }

  async #addThread(): Promise<void> {
    const thread = await startThread({
      url: this.#options.url,
      data: this.#options.data,
      onDeath: (cause) => this.#replace(thread, cause),
    });
    // A model that is loaded from here on reaches this thread by itself; the older ones are loaded first.
    this.#threads.add(thread);
    const older = [...this.#models].map(([model, { file }]) =>
      thread.call<'load'>({ kind: 'load', model, ...file }),
    );
    try {
      await Promise.all(older);
    } catch (cause) {
      this.#threads.delete(thread);
      await thread.stop();
      throw cause;
    }
    if (this.#closed !== undefined) return thread.stop();
    this.#idle.push(thread);
    this.#dispatch();
  }

  #replace(dead: Thread, cause: GuardError): void {
    this.#threads.delete(dead);
    const place = this.#idle.indexOf(dead);
    if (place >= 0) this.#idle.splice(place, 1);
    if (this.#closed !== undefined) return;
    log('error', 'engine.thread_died', { cause });
    this.#addThread().catch((reason: unknown) => {
      log('error', 'engine.thread_not_replaced', { cause: asGuardError(reason) });
      if (this.#threads.size > 0 || this.#closed !== undefined) return;
      this.#closed = new GuardError('internal', 'no worker thread is alive', { cause: reason });
      this.#queue.clear(this.#closed);
    });
  }

  #dispatch(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const runs = this.#queue.take();
      if (runs.length === 0) {
        this.#dispatchWhenRipe();
        return;
      }
      const thread = this.#idle.pop()!;
      this.#running++;
      const model = this.#models.get(runs[0].task.model);
      const sizes = model?.joinSizes;
      if (sizes === undefined) this.#takeMore(runs, model?.runMs);
      this.#batches += sizes === undefined ? runs.length : 1;
      this.#runs += runs.length;
      const done =
        sizes === undefined || runs[0].join === undefined
          ? this.#callEach(thread, runs)
          : this.#callJoined(thread, runs, sizes);
      void done.finally(() => this.#finished(thread));
    }
  }

  /**
   * Takes runs that go to the thread in one message with the first: as many as are its share and take no long time. Each is run by
   * itself; what is saved is the messages, which cost as much as a run of a small model.
   */
  #takeMore(runs: QueuedRun[], runMs: number | undefined): void {
    if (runMs === undefined || this.#options.queue.rowsMax > 1 || runs[0].isRepeated) return;
    const share = Math.ceil((this.#queue.length + 1) / this.#threads.size);
    const count = Math.min(share, handoverRunsMax, Math.floor(handoverMsMax / runMs));
    while (runs.length < count && this.#queue.next === runs[0].task.model) runs.push(...this.#queue.take());
  }

  /** Runs each by itself. Where the thread dies, the others are run once more: one of them may have ended it. */
  async #callEach(thread: Thread, runs: readonly QueuedRun[]): Promise<void> {
    const startedAt = performance.now();
    const tasks = runs.map(({ task }) => task);
    // Inputs of several runs are copied, since they may be needed once more; those of one move to the thread.
    const results = thread.callEach<'run'>(tasks, tasks.length === 1 ? buffersOf(tasks[0].feeds) : []);
    const failed = (run: QueuedRun) => (cause: unknown) => {
      if (runs.length === 1 || cause instanceof RuntimeRefusal) run.reject(cause);
      else this.#queue.addAgain(run);
    };
    await Promise.all(results.map((result, index) => result.then(runs[index].resolve, failed(runs[index]))));
    const model = this.#models.get(tasks[0].model);
    const runMs = (performance.now() - startedAt) / runs.length;
    if (model !== undefined) model.runMs = Math.min(runMs, ((model.runMs ?? runMs) * 7 + runMs) / 8);
  }

  /** Runs that wait for others to join them go without them when their time has come. */
  #dispatchWhenRipe(): void {
    clearTimeout(this.#ripening);
    const { ripeAt } = this.#queue;
    if (ripeAt === undefined) return;
    this.#ripening = setTimeout(() => this.#dispatch(), Math.max(0, ripeAt - performance.now()));
  }

  /** Runs the rows of several runs together. Where that fails each is run once more by itself: the fault may be one row's alone. */
  async #callJoined(thread: Thread, runs: readonly QueuedRun[], sizes: readonly number[]): Promise<void> {
    const counts = runs.map(({ join }) => join!.rows);
    const count = counts.reduce((sum, rows) => sum + rows, 0);
    const rows = sizes.find((size) => size >= count) ?? count;
    if (runs.length === 1 && rows === count) return this.#callEach(thread, runs);
    const { model, outputs } = runs[0].task;
    try {
      const feeds = joinFeeds(
        runs.map(({ task }) => task.feeds),
        rows,
      );
      const joined = await thread.call<'run'>({ kind: 'run', model, feeds, outputs }, buffersOf(feeds));
      for (const [index, own] of splitOutputs(joined, counts, rows).entries()) runs[index].resolve(own);
    } catch (cause) {
      if (runs.length === 1) return runs[0].reject(cause);
      for (const run of runs) this.#queue.addAgain(run);
    }
  }

  #finished(thread: Thread): void {
    this.#running--;
    if (this.#threads.has(thread)) this.#idle.push(thread);
    if (this.#running === 0) this.#drained?.();
    this.#dispatch();
  }

  async #forget(model: number): Promise<void> {
    this.#models.delete(model);
    // A thread that dies meanwhile has freed the model as well.
    await Promise.allSettled(
      [...this.#threads].map((thread) => thread.call<'release'>({ kind: 'release', model })),
    );
  }
}

function buffersOf(feeds: Readonly<Record<string, Tensor>>): ArrayBuffer[] {
  return Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer);
}
