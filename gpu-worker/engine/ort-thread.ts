// A worker thread of the pool: holds the ONNX Runtime sessions, because `session.run` blocks the event loop it runs on.
import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import type { Datatype, Tensor, TensorData } from '../../shared/maths/tensor.ts';
import type { TensorSpec } from './engine.ts';
import type { TaskResults, ThreadReply, ThreadRequest, ThreadTask } from './thread-messages.ts';

/** Element types of the runtime that the protocol can carry; a model with any other is refused by name. */
const datatypes: Readonly<Partial<Record<ort.Tensor.Type, Datatype>>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float32: 'FP32',
  float64: 'FP64',
};
const elementTypes = Object.fromEntries(
  Object.entries(datatypes).map(([type, datatype]) => [datatype, type]),
) as Readonly<Record<Datatype, ort.Tensor.Type>>;

const port = parentPort;
if (port === null) throw new Error('ort-thread.ts runs as a worker thread only');
const sessions = new Map<number, ort.InferenceSession>();
ort.env.logLevel = 'error';

// One task after the other: a session must be there before its first run and must not be freed during one.
let last: Promise<void> = Promise.resolve();
port.on('message', (request: ThreadRequest) => {
  last = last.then(() => answer(request));
});
port.postMessage({ kind: 'ready' } satisfies ThreadReply);

async function answer(request: ThreadRequest): Promise<void> {
  const { id } = request;
  const reply = await perform(request).then(
    (value): ThreadReply => ({ kind: 'done', id, value }),
    (thrown: unknown): ThreadReply => ({
      kind: 'refused',
      id,
      reason: thrown instanceof Error ? thrown.message : String(thrown),
    }),
  );
  port?.postMessage(reply, request.kind === 'run' ? resultBuffers(reply) : []);
}

function perform(task: ThreadTask): Promise<TaskResults[ThreadTask['kind']]> {
  if (task.kind === 'load') return load(task);
  if (task.kind === 'run') return run(task);
  return release(task.model);
}

async function load(task: Extract<ThreadTask, { kind: 'load' }>): Promise<TaskResults['load']> {
  const session = await ort.InferenceSession.create(task.bytes, {
    executionProviders: ['cpu'],
    // The pool has a thread a core; more threads inside a run would only compete with its neighbours.
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: task.optimisation === 'none' ? 'disabled' : 'all',
    logSeverityLevel: 3,
  });
  const specs = { inputs: session.inputMetadata.map(spec), outputs: session.outputMetadata.map(spec) };
  sessions.set(task.model, session);
  return specs;
}

async function run(task: Extract<ThreadTask, { kind: 'run' }>): Promise<TaskResults['run']> {
  const session = sessions.get(task.model);
  if (session === undefined) throw new Error(`model ${task.model} is not loaded in this thread`);
  const feeds = Object.fromEntries(
    Object.entries(task.feeds).map(([name, { datatype, shape, data }]) => [
      name,
      new ort.Tensor(elementTypes[datatype], data as ort.Tensor.DataType, shape),
    ]),
  );
  const results = await session.run(feeds, task.outputs ?? session.outputNames);
  return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, toTensor(name, value)]));
}

async function release(model: number): Promise<undefined> {
  await sessions.get(model)?.release();
  sessions.delete(model);
}

function spec(value: ort.InferenceSession.ValueMetadata): TensorSpec {
  if (!value.isTensor) throw new Error(`${value.name} is not a tensor`);
  const { name, type, shape } = value;
  return {
    name,
    datatype: datatypeOf(name, type),
    shape: shape.map((extent) => (typeof extent === 'number' ? extent : -1)),
  };
}

function toTensor(name: string, value: ort.Tensor): Tensor {
  const { type, dims, data } = value;
  return { datatype: datatypeOf(name, type), shape: dims, data: data as TensorData };
}

function datatypeOf(name: string, type: ort.Tensor.Type): Datatype {
  const datatype = datatypes[type];
  if (datatype === undefined) throw new Error(`${name} has elements of type ${type}, which cannot be served`);
  return datatype;
}

/** Buffers of a run's results: moved to the main thread, since nothing here reads them again. */
function resultBuffers(reply: ThreadReply): ArrayBuffer[] {
  if (reply.kind !== 'done') return [];
  const tensors = Object.values(reply.value as TaskResults['run']);
  return [...new Set(tensors.map(({ data }) => data.buffer as ArrayBuffer))];
}
