// What workerd and the bundler provide as modules: only worker.ts and detector-worker/ import them.
declare module 'cloudflare:workers' {
  export class WorkerEntrypoint<Env = unknown> {
    protected readonly env: Env;
    protected readonly ctx: { waitUntil(work: Promise<unknown>): void };
  }

  export abstract class DurableObject<Env = unknown> {
    constructor(ctx: unknown, env: Env);
    protected readonly env: Env;
    protected readonly ctx: { readonly storage: import('./bindings.ts').ObjectStorage };
  }

  export abstract class WorkflowEntrypoint<Env = unknown> {
    protected readonly env: Env;
    protected readonly ctx: { waitUntil(work: Promise<unknown>): void };
  }
}

/** A pass-through whose length the client is told; workerd alone has it. */
declare class FixedLengthStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor(bytes: number);
}

// Made before the bundle: see gpu-worker/demo/build-dashboard.ts.
declare module '*/dashboard/browser.json' {
  const files: Readonly<Record<string, string>>;
  export default files;
}

declare module '*.wasm' {
  const module: WebAssembly.Module;
  export default module;
}
