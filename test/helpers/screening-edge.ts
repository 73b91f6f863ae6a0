// Screening with nothing canned: LeNet-5 compiled for it behind the gpu-worker's own app, and what a client of the edge does.
import { readFile } from 'node:fs/promises';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import type { EdgeOptions } from '../../gpu-worker/demo/edge-runtime.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { planScreening } from '../../gpu-worker/extraction/plan-screening.ts';
import { loadCompiledModel } from '../../gpu-worker/served-model.ts';
import { type ScreeningJob, screeningJobSchema } from '../../shared/contracts/screening-job.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { lenetFile } from './command-line.ts';
import { startOipServer } from './oip-server.ts';
import { idxFile, patternedBytes } from './upload-fixture.ts';

export const screeningNoiseKeyHex = '5a'.repeat(32);
const gpuWorkerToken = 'a-token-of-the-gpu-worker-0123456789';
/** Name of the model that is screened for. */
export const screenedModel = 'mnist-lenet5';

/** A gpu-worker in this process. */
export interface ScreeningWorker {
  readonly url: string;
  /** How often it was asked for vectors. */
  readonly asked: () => number;
  /** Is given each such request before it is answered; the answer waits for it. */
  onInfer: () => Promise<void>;
  stop(): Promise<void>;
}

/** Starts the gpu-worker. */
export async function startScreeningWorker(): Promise<ScreeningWorker> {
  const engine = await createOrtEngine({ workers: 2 });
  const model = await readFile(lenetFile);
  const plan = await planScreening(model, { engine, mode: 'nccr', range: [0, 1] });
  const noiseKey = await importNoiseKeyHex(screeningNoiseKeyHex);
  const made = { name: screenedModel, plan, noiseKey, engine, screening: 'nccr' as const };
  const { bytes } = await compileModel(model, made);
  const served = await loadCompiledModel(engine, bytes);
  let asked = 0;
  const server = await startOipServer({
    engine,
    models: [served],
    token: gpuWorkerToken,
    deadlineMs: 20_000,
    onRequest: async ({ method }) => {
      if (method !== 'POST') return;
      asked++;
      await worker.onInfer();
    },
  });
  const worker: ScreeningWorker = {
    url: server.url,
    asked: () => asked,
    onInfer: () => Promise.resolve(),
    async stop() {
      server.stop();
      await engine.close();
    },
  };
  return worker;
}

/** Options of an edge before that worker. */
export function screeningEdgeOptions(
  gpuWorkerUrl: string,
  { bindings = {}, ...options }: Partial<EdgeOptions> = {},
): EdgeOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    bindings: {
      GPU_WORKER_URL: gpuWorkerUrl,
      UPSTREAM_URL: 'http://127.0.0.1:9',
      GUARD_MODELS: JSON.stringify([{ name: screenedModel, mode: 'off' }]),
      GPU_WORKER_TOKEN: gpuWorkerToken,
      NOISE_KEY: screeningNoiseKeyHex,
      AUTH: 'none',
      ARTEFACT_PUBLIC_KEY: 'none',
      ...bindings,
    },
    artefacts: [],
    ...options,
  };
}

/** Drawn digits with a little noise as an IDX upload, ten labels in turn; few are drawn, for drawing takes its time. */
export function digitFiles(count: number, label = (row: number) => row % 10): Record<string, Uint8Array> {
  const drawn = Array.from({ length: 20 }, (_, index) => drawDigit(index % 10, index));
  const noise = patternedBytes(count * 784);
  const pixels = Uint8Array.from({ length: count * 784 }, (_, index) => {
    const row = Math.floor(index / 784);
    return Math.round(215 * drawn[row % drawn.length][index % 784] + (noise[index] % 41));
  });
  return {
    images: idxFile([count, 28, 28], pixels),
    labels: idxFile(
      [count],
      Uint8Array.from({ length: count }, (_, row) => label(row)),
    ),
  };
}

/** What a client of an edge does. */
export interface ScreeningClient {
  call(path: string, init?: RequestInit): Promise<Response>;
  /** Makes a job; a new key each time where none is given. */
  create(body?: object, key?: string): Promise<ScreeningJob>;
  /** Makes a job, sends each file as one part and completes the upload. */
  submit(files: Readonly<Record<string, Uint8Array>>, body?: object): Promise<ScreeningJob>;
  putPart(id: string, part: number | string, bytes: Uint8Array, file?: string): Promise<Response>;
  read(id: string): Promise<ScreeningJob>;
  /** Waits for the job to end. */
  ended(id: string, waitMs?: number, lookEveryMs?: number): Promise<ScreeningJob>;
  report(id: string, kind?: string): Promise<string>;
}

/** Makes the client; it shows a token where one is given. */
export function screeningClient(edge: () => URL, token?: string): ScreeningClient {
  const call = (path: string, init?: RequestInit) => {
    const headers = new Headers(init?.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    return fetch(new URL(path, edge()), { ...init, headers });
  };
  const client: ScreeningClient = {
    call,
    async create(body = {}, key = crypto.randomUUID()) {
      const answer = await call('/v1/screenings', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify({ model: screenedModel, format: 'idx', ...body }),
      });
      return screeningJobSchema.parse(await must(answer, 202));
    },
    async submit(files, body) {
      const { id } = await client.create(body);
      for (const [file, bytes] of Object.entries(files))
        await must(await client.putPart(id, 1, bytes, file), 200);
      return screeningJobSchema.parse(
        await must(await call(`/v1/screenings/${id}/complete`, { method: 'POST' }), 202),
      );
    },
    putPart(id, part, bytes, file) {
      const query = file === undefined ? '' : `?file=${file}`;
      const body = new Uint8Array(bytes);
      return call(`/v1/screenings/${id}/parts/${part}${query}`, { method: 'PUT', body });
    },
    async read(id) {
      return screeningJobSchema.parse(await must(await call(`/v1/screenings/${id}`), 200));
    },
    async ended(id, waitMs = 40_000, lookEveryMs = 50) {
      const deadline = performance.now() + waitMs;
      for (;;) {
        const job = await client.read(id);
        if (job.state !== 'running') return job;
        if (performance.now() > deadline) throw new Error(`the job still runs: ${JSON.stringify(job)}`);
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    },
    async report(id, kind = '') {
      const answer = await call(`/v1/screenings/${id}/report${kind}`);
      if (answer.status !== 200) throw new Error(`status ${answer.status}: ${await answer.text()}`);
      return answer.text();
    },
  };
  return client;
}

async function must(answer: Response, status: number): Promise<unknown> {
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`status ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
