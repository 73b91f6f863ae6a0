// An engine over a pool of worker threads, whatever runtime they hold.
import { GuardError } from '../../shared/errors.ts';
import { elementArrays, type Tensor, type TensorData } from '../../shared/maths/tensor.ts';
import type { Engine, EngineInfo, LoadedModel, LoadOptions } from './engine.ts';
import { batchSizes } from './join-runs.ts';
import { RuntimeRefusal } from './thread.ts';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';

/** How an engine is sized. */
export interface EngineSize {
  /** Worker threads; what suits the engine where it is not given. */
  readonly workers?: number | undefined;
  /** Runs that may wait for a thread before the next is refused with `overloaded`. */
  readonly queueMax?: number | undefined;
  /** Bytes of the inputs of runs that wait; without bound where it is not given. */
  readonly queueBytesMax?: number | undefined;
  /** Rows of different runs that are joined to one where they wait at the same time; 1 joins none. What suits the engine by default. */
  readonly joinedRowsMax?: number | undefined;
  /** Longest that a run waits for others to join it, in milliseconds; 0 joins what waits anyway. */
  readonly joinDelayMs?: number | undefined;
}

/** How a pooled engine is made. */
export interface PooledEngineOptions
  extends EngineInfo,
    Pick<WorkerPoolOptions, 'url' | 'data'>,
    Omit<EngineSize, 'workers'> {
  /** Whether the models run on a processor, which gains nothing by joined runs and is expected to give the same bits each time. */
  readonly onProcessor: boolean;
}

const queueMaxDefault = 256;
/** On a graphics card small runs leave most of it idle. Not measured on one: an operator tunes it. */
const joinedRowsDefault = 16;

/**
 * Starts the engine.
 * @throws GuardError `internal` where a worker thread does not start, as where the runtime's binary is missing
 */
export async function pooledEngine(options: PooledEngineOptions): Promise<Engine> {
  const { id, device, workers, url, data, onProcessor } = options;
  const rowsMax = options.joinedRowsMax ?? (onProcessor ? 1 : joinedRowsDefault);
  const pool = await WorkerPool.start({
    url,
    data,
    workers,
    queue: {
      runsMax: options.queueMax ?? queueMaxDefault,
      bytesMax: options.queueBytesMax ?? Number.POSITIVE_INFINITY,
      rowsMax,
      delayMs: options.joinDelayMs ?? 0,
    },
  });
  const joins = (joinable: LoadOptions['joinable']) =>
    rowsMax > 1 && (joinable === 'exact' || (joinable === 'close' && !onProcessor));
  return {
    info: { id, device: pool.device ?? device, workers },
    load: (model, loadOptions = {}) =>
      loadModel(pool, model, {
        ...loadOptions,
        ...(joins(loadOptions.joinable) && { joinSizes: batchSizes(rowsMax) }),
      }),
    figures: () => pool.figures,
    close: () => pool.close(),
  };
}

async function loadModel(
  pool: WorkerPool,
  bytes: Uint8Array,
  {
    optimisation = 'all',
    warmUpRows = [],
    ranges,
    joinSizes,
  }: LoadOptions & { readonly joinSizes?: readonly number[] },
): Promise<LoadedModel> {
  const warmUp = { rows: [...new Set([...warmUpRows, ...(joinSizes ?? [])])], ranges };
  const { model, specs } = await pool
    .load({ bytes, optimisation, warmUp }, joinSizes)
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
