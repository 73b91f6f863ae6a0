// What the worker pool and one of its threads say to each other: a request has one reply with the same id.
import type { Tensor } from '../../shared/maths/tensor.ts';
import type { LoadOptions, TensorSpec } from './engine.ts';

/** What is run to prepare a model: sizes of batches, and the ranges that its inputs have. */
export interface WarmUp {
  readonly rows: readonly number[];
  readonly ranges?: LoadOptions['ranges'] | undefined;
}

/** What a thread can be asked to do; it does one thing after the other, in the order of the messages. */
export type ThreadTask =
  | {
      readonly kind: 'load';
      readonly model: number;
      readonly bytes: Uint8Array;
      readonly optimisation: NonNullable<LoadOptions['optimisation']>;
      /** Runs that the model makes before it counts as loaded, with inputs made up for it. */
      readonly warmUp?: WarmUp | undefined;
    }
  | {
      readonly kind: 'run';
      readonly model: number;
      readonly feeds: Readonly<Record<string, Tensor>>;
      readonly outputs: readonly string[] | undefined;
    }
  | { readonly kind: 'release'; readonly model: number };

/** A thread is sent lists of requests, and answers each list with one of as many replies: a message costs as much as a small run. */
export type ThreadRequest = ThreadTask & { readonly id: number };

/** Inputs and outputs of a model, as its session states them. */
export interface ModelSpecs {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** What each kind of task gives. */
export interface TaskResults {
  readonly load: ModelSpecs;
  readonly run: Readonly<Record<string, Tensor>>;
  readonly release: undefined;
}

export type ThreadReply =
  /** `device` is what the runtime says that it runs on, where it says so. */
  | { readonly kind: 'ready'; readonly device?: string | undefined }
  | { readonly kind: 'done'; readonly id: number; readonly value: TaskResults[ThreadTask['kind']] }
  /** The runtime refused; `reason` is what it says. */
  | { readonly kind: 'refused'; readonly id: number; readonly reason: string };
