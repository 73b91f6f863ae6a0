// The worker's side of a thread: takes tasks one after the other and answers what a runtime makes of them.
import { parentPort } from 'node:worker_threads';
import { assert } from '../../shared/assert.ts';
import type { Tensor } from '../../shared/maths/tensor.ts';
import { freeBuffer } from './free-buffer.ts';
import { seededFeeds } from './seeded-feeds.ts';
import type { ModelSpecs, TaskResults, ThreadReply, ThreadRequest, ThreadTask } from './thread-messages.ts';

/** A model that a runtime holds. */
export interface RuntimeModel {
  readonly specs: ModelSpecs;
  /** Runs the model; `outputs` are all of them where it is undefined. */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    outputs: readonly string[] | undefined,
  ): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** What a thread runs models with. An error that it throws is a refusal of the task, with its message as the reason. */
export interface ThreadRuntime {
  load(task: Omit<Extract<ThreadTask, { kind: 'load' }>, 'kind' | 'model'>): Promise<RuntimeModel>;
}

/**
 * Answers tasks until the thread is ended.
 * @param device what the runtime says that it runs on
 */
export function serveRuntime(runtime: ThreadRuntime, device?: string): void {
  const port = parentPort;
  assert(port !== null, 'a runtime is served in a worker thread only');
  const models = new Map<number, RuntimeModel>();

  const perform = async (task: ThreadTask): Promise<TaskResults[ThreadTask['kind']]> => {
    if (task.kind === 'load') {
      const loaded = await runtime.load(task);
      // This thread's own copy, which the runtime has read: left to the collector, copies of many models lie about for long.
      freeBuffer(task.bytes);
      for (const rows of task.warmUp?.rows ?? []) {
        await loaded.run(
          seededFeeds(loaded.specs.inputs, { rows, seed: 1, ranges: task.warmUp?.ranges }),
          undefined,
        );
      }
      models.set(task.model, loaded);
      return loaded.specs;
    }
    const model = models.get(task.model);
    if (task.kind === 'run') {
      if (model === undefined) throw new Error(`model ${task.model} is not loaded in this thread`);
      return model.run(task.feeds, task.outputs);
    }
    models.delete(task.model);
    await model?.release();
    return undefined;
  };
  const answer = (request: ThreadRequest): Promise<ThreadReply> => {
    const { id } = request;
    return perform(request).then(
      (value): ThreadReply => ({ kind: 'done', id, value }),
      (thrown: unknown): ThreadReply => ({
        kind: 'refused',
        id,
        reason: thrown instanceof Error ? thrown.message : String(thrown),
      }),
    );
  };
  const answerAll = async (requests: readonly ThreadRequest[]): Promise<void> => {
    const replies: ThreadReply[] = [];
    const buffers: ArrayBuffer[] = [];
    for (const request of requests) {
      const reply = await answer(request);
      replies.push(reply);
      if (request.kind === 'run') buffers.push(...resultBuffers(reply));
    }
    port.postMessage(replies, buffers);
  };

  // One task after the other: a model must be there before its first run and must not be freed during one.
  let last: Promise<void> = Promise.resolve();
  port.on('message', (requests: readonly ThreadRequest[]) => {
    last = last.then(() => answerAll(requests));
  });
  port.postMessage([{ kind: 'ready', device }] satisfies ThreadReply[]);
}

/** Buffers of a run's results: moved to the main thread, since nothing here reads them again. */
function resultBuffers(reply: ThreadReply): ArrayBuffer[] {
  if (reply.kind !== 'done') return [];
  const tensors = Object.values(reply.value as TaskResults['run']);
  return [...new Set(tensors.map(({ data }) => data.buffer as ArrayBuffer))];
}
