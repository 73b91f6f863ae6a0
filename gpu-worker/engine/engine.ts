// The interface between the gpu-worker and whatever runs a model.
import type { Datatype, Tensor } from '../../shared/maths/tensor.ts';

/** Which runtime runs, and on what. */
export interface EngineInfo {
  readonly id: 'ort-cpu';
  /** Human-readable device, such as a processor's model. */
  readonly device: string;
  /** Models that can run at the same time. */
  readonly workers: number;
}

/** An input or output of a loaded model; -1 is a free extent. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** How one run is bounded. */
export interface RunOptions {
  /** Instant of `performance.now()` after which the run is not started any more. */
  readonly deadlineAt?: number;
  /** Once aborted, the run is not started any more. */
  readonly signal?: AbortSignal;
  /** Outputs to compute; all of them where it is not given. */
  readonly outputs?: readonly string[];
}

/** One model in memory. */
export interface LoadedModel {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /**
   * Runs the model once.
   * @param feeds one tensor an input, by name
   * @returns one tensor an output, by name
   * @throws GuardError `overloaded` where the queue is full, `deadline_exceeded` where the run could not start in time,
   *   `invalid_input` where the runtime refuses the feeds; the reason of `signal` where that came before the start
   */
  run(feeds: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Frees the model; runs already queued still finish. */
  release(): Promise<void>;
}

/** How a model is loaded. */
export interface LoadOptions {
  /** Graph optimisation of the runtime; `none` keeps every tensor of the graph. */
  readonly optimisation?: 'all' | 'none';
}

/** A runtime with its workers. */
export interface Engine {
  readonly info: EngineInfo;
  /** @throws GuardError `invalid_model` where the runtime refuses the file */
  load(model: Uint8Array, options?: LoadOptions): Promise<LoadedModel>;
  /** Ends the workers; queued runs are refused with `overloaded`. */
  close(): Promise<void>;
}
