// autocannon has no types of its own: the part that the benchmarks use.
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  export interface Options {
    readonly url: string;
    readonly method: 'POST';
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string | Buffer;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
    /** Requests a second over all connections; as many as are answered where it is not given. */
    readonly overallRate?: number;
  }

  export interface Result {
    /** Requests without an answer. */
    readonly errors: number;
  }

  /** Emits `response` with the client, the status, the bytes and the time in milliseconds, and `done` at the end. */
  export default function autocannon(
    options: Options,
    done: (error: Error | null, result: Result) => void,
  ): EventEmitter;
}
