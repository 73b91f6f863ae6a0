// The interface between the gpu-worker and whatever runs a model.
import type { Datatype, Tensor } from '../../shared/maths/tensor.ts';

/** Runtimes and what they run on: ONNX Runtime (native, or as WebAssembly) and TensorFlow.js. */
export type EngineId = 'ort-cpu' | 'ort-cuda' | 'ort-webgpu' | 'ort-wasm' | 'tfjs';

/** Which runtime runs, and on what. */
export interface EngineInfo {
  readonly id: EngineId;
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

/** What comparing an engine with the reference on a model gave. */
export interface SelfCheck {
  /** The engine that runs the model. */
  readonly engine: EngineId;
  /** Largest difference from the reference over all outputs and inputs tried, relative to the output's largest value. */
  readonly relativeError: number;
}

/** One model in memory. */
export interface LoadedModel {
  /** Absent where the model runs on the reference itself, the processor. */
  readonly selfCheck?: SelfCheck;
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
  /**
   * Graph optimisation of the runtime; `none` keeps every tensor of the graph. A model that is loaded so is only looked at, not
   * served, and runs on the processor whatever the engine.
   */
  readonly optimisation?: 'all' | 'none';
  /** Lowest and highest valid value of inputs by name, for self-check and warm-up; [0, 1] of those that are not named. */
  readonly ranges?: Readonly<Record<string, readonly [number, number]>>;
  /** Sizes of batches that the model runs once before it is ready, so that no caller waits for what a runtime does once only. */
  readonly warmUpRows?: readonly number[];
  /**
   * Whether runs of the model may be joined to one, where the engine joins any. `exact`: each row gives the same bits in a batch as
   * alone, on the processors that this was tried on; `close`: it may differ in the last bits, so that it is done where the engine is no
   * processor alone.
   */
  readonly joinable?: 'exact' | 'close';
}

/** What an engine has to do, and what it did. */
export interface EngineFigures {
  /** Runs that wait for a thread, and the bytes of their inputs. */
  readonly waitingRuns: number;
  readonly waitingBytes: number;
  /** Runs of the runtime so far, and the runs asked for that they were. */
  readonly batches: number;
  readonly runs: number;
}

/** A runtime with its workers. */
export interface Engine {
  readonly info: EngineInfo;
  /**
   * @throws GuardError `invalid_model` where the runtime refuses the file, `invalid_config` where the engine computes something
   *   else with it than the processor does
   */
  load(model: Uint8Array, options?: LoadOptions): Promise<LoadedModel>;
  figures(): EngineFigures;
  /** Ends the workers; queued runs are refused with `overloaded`. */
  close(): Promise<void>;
}
