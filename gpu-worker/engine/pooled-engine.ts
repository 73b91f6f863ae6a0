// An engine over a pool of worker threads, whatever runtime they hold.
import { GuardError } from '../../shared/errors.ts';
import { elementArrays, type Tensor, type TensorData } from '../../shared/maths/tensor.ts';
import type { Engine, EngineInfo, LoadedModel, LoadOptions } from './engine.ts';
import { RuntimeRefusal } from './thread.ts';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';

/** How an engine is sized. */
export interface EngineSize {
  /** Worker threads; what suits the engine where it is not given. */
  readonly workers?: number | undefined;
  /** Runs that may wait for a thread before the next is refused with `overloaded`. */
  readonly queueMax?: number | undefined;
}

/** How a pooled engine is made. */
export interface PooledEngineOptions extends EngineInfo, Pick<WorkerPoolOptions, 'url' | 'data'> {
  readonly queueMax?: number | undefined;
}

const queueMaxDefault = 256;

/**
 * Starts the engine.
 * @throws GuardError `internal` where a worker thread does not start, as where the runtime's binary is missing
 */
export async function pooledEngine(options: PooledEngineOptions): Promise<Engine> {
  const { id, device, workers, url, data, queueMax = queueMaxDefault } = options;
  const pool = await WorkerPool.start({ url, data, workers, queueMax });
  return {
    info: { id, device: pool.device ?? device, workers },
    load: (model, loadOptions) => loadModel(pool, model, loadOptions),
    close: () => pool.close(),
  };
}

async function loadModel(
  pool: WorkerPool,
  bytes: Uint8Array,
  { optimisation = 'all' }: LoadOptions = {},
): Promise<LoadedModel> {
  const { model, specs } = await pool
    .load({ bytes, optimisation })
    .catch(refusedAs('invalid_model', 'the runtime refuses the model'));
  return {
    inputs: specs.inputs,
    outputs: specs.outputs,
    run: (feeds, { outputs, ...bounds } = {}) =>
      pool
        .run({ model, feeds: copyOf(feeds), outputs }, bounds)
        .catch(refusedAs('invalid_input', 'the runtime refuses the input')),
    release: () => pool.release(model),
  };
}

/**
 * Copies what a thread will own: its buffers move there, and the caller may reuse its own at once. Not by `slice`, which
 * gives a view of Node's shared pool where the elements are a Buffer.
 */
function copyOf(feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { datatype, shape, data }]) => [
      name,
      { datatype, shape: [...shape], data: new elementArrays[datatype](data as never) as TensorData },
    ]),
  );
}

function refusedAs(code: 'invalid_model' | 'invalid_input', what: string): (thrown: unknown) => never {
  return (thrown) => {
    if (!(thrown instanceof RuntimeRefusal)) throw thrown;
    throw new GuardError(code, `${what}: ${thrown.message}`, { cause: thrown });
  };
}
