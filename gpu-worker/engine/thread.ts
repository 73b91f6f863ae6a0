// One worker thread with its outstanding requests.
import { Worker } from 'node:worker_threads';
import { GuardError } from '../../shared/errors.ts';
import type { TaskResults, ThreadReply, ThreadRequest, ThreadTask } from './thread-messages.ts';

/** Thrown where the runtime refused a task; the engine gives it the code of the task. */
export class RuntimeRefusal extends Error {
  override readonly name = 'RuntimeRefusal';
}

/** A thread that answers one reply a request. */
export interface Thread {
  /** What its runtime says that it runs on; undefined where it does not. */
  readonly device: string | undefined;
  /**
   * Hands a task to the thread.
   * @param transfer buffers that are moved to the thread and empty here afterwards
   * @throws RuntimeRefusal where the runtime refuses, GuardError `internal` where the thread dies first
   */
  call<K extends ThreadTask['kind']>(
    task: Extract<ThreadTask, { kind: K }>,
    transfer?: readonly ArrayBuffer[],
  ): Promise<TaskResults[K]>;
  /** Hands over several tasks in one message; they are done one after the other and answered together. */
  callEach<K extends ThreadTask['kind']>(
    tasks: readonly Extract<ThreadTask, { kind: K }>[],
    transfer?: readonly ArrayBuffer[],
  ): Promise<TaskResults[K]>[];
  /** Ends the thread without its death being announced. */
  stop(): Promise<void>;
}

/** How a thread is started. */
export interface ThreadOptions {
  /** Module that the thread runs. */
  readonly url: URL;
  /** Its `workerData`. */
  readonly data?: unknown;
  /** Called once where the thread ends by itself after it was ready; its requests are rejected before. */
  readonly onDeath: (cause: GuardError) => void;
}

interface Waiting {
  readonly resolve: (value: TaskResults[ThreadTask['kind']]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Starts a thread and waits until it is ready.
 * @throws GuardError `internal` where it ends before that
 */
export function startThread({ url, data, onDeath }: ThreadOptions): Promise<Thread> {
  const worker = new Worker(url, { workerData: data });
  const waiting = new Map<number, Waiting>();
  const started = Promise.withResolvers<Thread>();
  let lastId = 0;
  let ready = false;
  let device: string | undefined;
  let stopping = false;
  let cause: unknown;
  let ended: GuardError | undefined;

  worker.on('error', (thrown) => {
    cause = thrown;
  });
  worker.on('exit', (exitCode) => {
    const reason = cause instanceof Error ? `: ${cause.message}` : '';
    const error = new GuardError('internal', `a worker thread ended with exit code ${exitCode}${reason}`, {
      cause,
    });
    ended = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    if (!ready) started.reject(error);
    else if (!stopping) onDeath(error);
  });
  worker.on('message', (replies: readonly ThreadReply[]) => {
    for (const reply of replies) {
      if (reply.kind === 'ready') {
        ready = true;
        device = reply.device;
        started.resolve(thread);
        continue;
      }
      const request = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (reply.kind === 'done') request?.resolve(reply.value);
      else request?.reject(new RuntimeRefusal(reply.reason));
    }
  });

  const thread: Thread = {
    get device() {
      return device;
    },
    call: (task, transfer) => thread.callEach([task], transfer)[0],
    callEach<K extends ThreadTask['kind']>(
      tasks: readonly Extract<ThreadTask, { kind: K }>[],
      transfer: readonly ArrayBuffer[] = [],
    ) {
      const error = ended;
      if (error !== undefined) return tasks.map(() => Promise.reject(error));
      const requests = tasks.map((task) => ({ ...task, id: ++lastId }) as ThreadRequest);
      const results = requests.map(({ id }) => {
        const { promise, resolve, reject } = Promise.withResolvers<TaskResults[K]>();
        waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
        return promise;
      });
      worker.postMessage(requests, transfer);
      return results;
    },
    async stop() {
      stopping = true;
      await worker.terminate();
    },
  };
  return started.promise;
}
