// LeNet-5 behind the gpu-worker's own app, in this process, and what is sent to it.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import { createOipApp } from '../../gpu-worker/app.ts';
import type { Engine, LoadedModel } from '../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import type { ServedModel } from '../../gpu-worker/served-model.ts';
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import { problemSchema } from '../../shared/problem-response.ts';

export const lenet = readFileSync(new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
export const inferPath = '/v2/models/mnist-lenet5/infer';

/** What a test has otherwise than the rest. */
export interface AppOverrides {
  readonly model?: Partial<ServedModel>;
  readonly token?: string;
  readonly deadlineMs?: number;
  readonly isReady?: () => boolean;
}

/** The engine and its model, there from the first test on. */
export interface LenetApp {
  readonly loaded: LoadedModel;
  readonly app: (overrides?: AppOverrides) => ReturnType<typeof createOipApp>;
}

/** Starts the engine before the tests of the file that calls it. */
export function lenetApp(): LenetApp {
  let engine: Engine;
  let loaded: LoadedModel;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 2 });
    loaded = await engine.load(lenet);
  });
  afterAll(() => engine.close());
  return {
    get loaded() {
      return loaded;
    },
    app({ model, ...options } = {}) {
      const served: ServedModel = {
        name: 'mnist-lenet5',
        version: '1',
        loaded,
        parameters: {},
        rowByRow: false,
        ...model,
      };
      const fixed = { name: 'gpu-worker', version: '0.1.0', engine: engine.info, deadlineMs: 5_000 };
      return createOipApp({ ...fixed, models: [served], ...options });
    },
  };
}

/** Images of a fixed pattern. */
export function images(rows: number): NamedTensor {
  const data = Float32Array.from({ length: rows * 784 }, (_, index) => ((index * 7919) % 256) / 255);
  return { name: 'input', datatype: 'FP32', shape: [rows, 1, 28, 28], data };
}

/** The same for a JSON body. */
export function jsonTensor(rows: number): Record<string, unknown> {
  const { data, ...tensor } = images(rows);
  return { ...tensor, data: Array.from(data, Number) };
}

/** A request with a JSON body. */
export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

/** Reads a problem answer and checks what every one of them must have. */
export async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = problemSchema.parse(await response.json());
  expect(problem.status).toBe(response.status);
  expect(problem.request_id).toBe(response.headers.get('x-request-id'));
  return problem;
}
