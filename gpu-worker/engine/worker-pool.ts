// Worker threads behind one queue: a run goes to the first idle thread, a thread that dies is replaced.
import { assert } from '../../shared/assert.ts';
import { asGuardError, GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { runQueue, type WaitBounds } from './run-queue.ts';
import { startThread, type Thread } from './thread.ts';
import type { ModelSpecs, TaskResults, ThreadTask } from './thread-messages.ts';

/** How a pool is made. */
export interface WorkerPoolOptions {
  /** Module that every thread runs. */
  readonly url: URL;
  /** What every thread is told when it starts. */
  readonly data?: unknown;
  /** Number of threads. */
  readonly workers: number;
  /** Runs that may wait for a thread. */
  readonly queueMax: number;
}

/** What a pool keeps of a model, so that a new thread can load it. */
export type ModelFile = Pick<Extract<ThreadTask, { kind: 'load' }>, 'bytes' | 'optimisation'>;

interface PooledModel extends ModelFile {
  /** Runs that wait or are at work. */
  open: number;
  released: boolean;
  /** Called where the last run has ended. */
  ended?: () => void;
}

/** Threads that all hold the same models. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #threads = new Set<Thread>();
  readonly #idle: Thread[] = [];
  readonly #queue;
  readonly #models = new Map<number, PooledModel>();
  #lastModel = 0;
  #running = 0;
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
    this.#queue = runQueue(options.queueMax);
  }

  /** What the threads' runtime says that it runs on. */
  get device(): string | undefined {
    return [...this.#threads][0]?.device;
  }

  /**
   * Loads a model in every thread.
   * @returns the number that names the model in this pool, and its inputs and outputs
   * @throws RuntimeRefusal where the runtime refuses the file
   */
  async load(file: ModelFile): Promise<{ model: number; specs: ModelSpecs }> {
    if (this.#closed !== undefined) throw this.#closed;
    const model = ++this.#lastModel;
    // Known before it is loaded, so that a thread that starts meanwhile loads it too.
    this.#models.set(model, { ...file, open: 0, released: false });
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
    this.#queue.add({ task: { kind: 'run', ...task }, ...outcome }, bounds);
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
    if (this.#running > 0) {
      const drained = Promise.withResolvers<void>();
      this.#drained = drained.resolve;
      await drained.promise;
    }
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
    const older = [...this.#models].map(([model, { bytes, optimisation }]) =>
      thread.call<'load'>({ kind: 'load', model, bytes, optimisation }),
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
      const run = this.#queue.take();
      if (run === undefined) return;
      const thread = this.#idle.pop()!;
      this.#running++;
      const buffers = Object.values(run.task.feeds).map(({ data }) => data.buffer as ArrayBuffer);
      void thread
        .call<'run'>(run.task, buffers)
        .then(run.resolve, run.reject)
        .finally(() => this.#finished(thread));
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
