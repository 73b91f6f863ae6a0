import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOipApp } from '../../gpu-worker/app.ts';
import type { Engine, LoadedModel } from '../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import type { ServedModel } from '../../gpu-worker/served-model.ts';
import {
  headerLengthHeader,
  modelMetadataSchema,
  serverMetadataSchema,
} from '../../shared/contracts/inference.ts';
import { batchRowsMax, extractionBytesMax } from '../../shared/limits.ts';
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { problemSchema } from '../../shared/problem-response.ts';

const lenet = readFileSync(new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
const token = 'a-token-of-the-test-with-enough-characters';
const inferPath = '/v2/models/mnist-lenet5/infer';

let engine: Engine;
let loaded: LoadedModel;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 2 });
  loaded = await engine.load(lenet);
});
afterAll(() => engine.close());

interface Overrides {
  readonly model?: Partial<ServedModel>;
  readonly token?: string;
  readonly deadlineMs?: number;
  readonly isReady?: () => boolean;
}

function app({ model, ...options }: Overrides = {}) {
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
}

function images(rows: number): NamedTensor {
  const data = Float32Array.from({ length: rows * 784 }, (_, index) => ((index * 7919) % 256) / 255);
  return { name: 'input', datatype: 'FP32', shape: [rows, 1, 28, 28], data };
}

function jsonTensor(rows: number): Record<string, unknown> {
  const { data, ...tensor } = images(rows);
  return { ...tensor, data: Array.from(data, Number) };
}

function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

/** Reads a problem answer and checks what every one of them must have. */
async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = problemSchema.parse(await response.json());
  expect(problem.status).toBe(response.status);
  expect(problem.request_id).toBe(response.headers.get('x-request-id'));
  return problem;
}

describe('health and metadata', () => {
  it('is live and ready with empty bodies', async () => {
    for (const path of ['live', 'ready']) {
      const response = await app().request(`/v2/health/${path}`);
      expect([response.status, await response.text()]).toEqual([200, '']);
    }
  });

  it('is not ready while it drains, and stays live', async () => {
    const draining = app({ isReady: () => false });
    expect((await draining.request('/v2/health/ready')).status).toBe(503);
    expect((await draining.request('/v2/health/live')).status).toBe(200);
  });

  it('says in its metadata which engine runs', async () => {
    const metadata = serverMetadataSchema.parse(await (await app().request('/v2')).json());
    expect(metadata).toMatchObject({ name: 'gpu-worker', version: '0.1.0' });
    expect(metadata.extensions).toContain('binary_tensor_data');
    expect(metadata.extensions).toContain('engine:ort-cpu');
  });

  it.each(['', '/versions/1'])(
    'describes the model at /v2/models/{m}%s and says that it is ready',
    async (version) => {
      const path = `/v2/models/mnist-lenet5${version}`;
      const metadata = modelMetadataSchema.parse(await (await app().request(path)).json());
      expect(metadata.inputs).toEqual([{ name: 'input', datatype: 'FP32', shape: [-1, 1, 28, 28] }]);
      expect(metadata.outputs).toEqual([{ name: 'logits', datatype: 'FP32', shape: [-1, 10] }]);
      expect((await app().request(`${path}/ready`)).status).toBe(200);
    },
  );

  it('counts inferences by model and status', async () => {
    const counting = app();
    await counting.request(inferPath, post({ inputs: [jsonTensor(1)] }));
    await counting.request('/v2/models/made-up/infer', post('{}'));
    const text = await (await counting.request('/metrics')).text();
    expect(text).toContain('gpu_worker_inferences_total{model="mnist-lenet5",status="200"} 1');
    expect(text).toContain('gpu_worker_inferences_total{model="unknown",status="404"} 1');
    expect(text).toContain('engine="ort-cpu"');
  });
});

describe('infer', () => {
  it.each(['/v2/models/mnist-lenet5/infer', '/v2/models/mnist-lenet5/versions/1/infer'])(
    'answers JSON with JSON at %s, echoes the id and equals the engine',
    async (path) => {
      const response = await app().request(path, post({ id: 'call-7', inputs: [jsonTensor(2)] }));
      expect(response.status).toBe(200);
      const answer = readResponse({ bytes: await response.bytes() });
      expect(answer).toMatchObject({ model_name: 'mnist-lenet5', model_version: '1', id: 'call-7' });
      const { logits } = await loaded.run({ input: images(2) });
      expect(answer.outputs).toEqual([{ name: 'logits', ...logits }]);
    },
  );

  it('answers the binary extension in kind, with the same bits', async () => {
    const { body, headers } = writeBinaryRequest([images(3)]);
    const response = await app().request(inferPath, { method: 'POST', body, headers });
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    const headerLength = response.headers.get(headerLengthHeader);
    const { outputs } = readResponse({ bytes: await response.bytes(), headerLength });
    const { logits } = await loaded.run({ input: images(3) });
    expect(outputs).toEqual([{ name: 'logits', ...logits }]);
  });

  it("lets an output's binary_data overrule binary_data_output", async () => {
    const outputs = [{ name: 'logits', parameters: { binary_data: false } }];
    const parameters = { binary_data_output: true };
    const response = await app().request(inferPath, post({ parameters, inputs: [jsonTensor(1)], outputs }));
    expect(response.headers.get(headerLengthHeader)).toBeNull();
    expect(await response.json()).toMatchObject({ outputs: [{ name: 'logits', shape: [1, 10] }] });
  });

  it("gives every row of a row-by-row model what it gives alone, and the model's parameters", async () => {
    const compiled = app({ model: { rowByRow: true, parameters: { guard_model_digest: 'sha256:00' } } });
    const { body, headers } = writeBinaryRequest([images(7)]);
    const response = await compiled.request(inferPath, { method: 'POST', body, headers });
    const headerLength = response.headers.get(headerLengthHeader);
    const answer = readResponse({ bytes: await response.bytes(), headerLength });
    expect(answer.parameters).toEqual({ guard_model_digest: 'sha256:00' });
    expect(answer.outputs[0].shape).toEqual([7, 10]);
    const alone = { ...images(1), data: images(7).data.slice(6 * 784) };
    expect(answer.outputs[0].data.slice(60)).toEqual((await loaded.run({ input: alone })).logits.data);
  });

  it(`takes ${batchRowsMax} rows and refuses one more`, async () => {
    const send = (rows: number) => {
      const { body, headers } = writeBinaryRequest([images(rows)]);
      return app().request(inferPath, { method: 'POST', body, headers });
    };
    expect((await send(batchRowsMax)).status).toBe(200);
    const refused = await problemOf(await send(batchRowsMax + 1));
    expect(refused).toMatchObject({ status: 422, code: 'batch_too_large' });
  });

  it('refuses to write NaN as JSON and gives it as binary', async () => {
    const nan = { ...images(1), data: new Float32Array(784).fill(Number.NaN) };
    const { body, headers } = writeBinaryRequest([nan]);
    expect((await app().request(inferPath, { method: 'POST', body, headers })).status).toBe(200);
    // The writer always asks for binary; the same length of JSON that asks for none.
    const json = new TextDecoder('latin1')
      .decode(body)
      .replace('"binary_data_output":true', '"binary_data_output":false');
    const plain = { ...headers, [headerLengthHeader]: String(Number(headers[headerLengthHeader]) + 1) };
    const bytes = Buffer.from(json, 'latin1');
    const response = await app().request(inferPath, { method: 'POST', body: bytes, headers: plain });
    expect(await problemOf(response)).toMatchObject({
      status: 422,
      detail: expect.stringContaining('binary_data'),
    });
  });
});

describe('refusals', () => {
  const input = jsonTensor(1);
  it.each([
    ['a body that is not JSON', '{"inputs": [', 400, 'malformed_request'],
    ['no inputs', { inputs: [] }, 400, 'malformed_request'],
    ['duplicate keys', '{"id":"a","id":"b"}', 400, 'malformed_request'],
    ['a tensor without data', { inputs: [{ ...input, data: undefined }] }, 400, 'malformed_request'],
    ['an unknown input', { inputs: [{ ...input, name: 'pixels' }] }, 422, 'invalid_input'],
    ['a wrong datatype', { inputs: [{ ...input, datatype: 'FP64' }] }, 422, 'invalid_input'],
    ['an unknown datatype', { inputs: [{ ...input, datatype: 'FP8' }] }, 422, 'invalid_input'],
    ['a wrong rank', { inputs: [{ ...input, shape: [784] }] }, 422, 'invalid_input'],
    ['a wrong extent', { inputs: [{ ...input, shape: [1, 28, 28, 1] }] }, 422, 'invalid_input'],
    ['an empty tensor', { inputs: [{ ...input, shape: [0, 1, 28, 28], data: [] }] }, 422, 'invalid_input'],
    ['data that is not numbers', { inputs: [{ ...input, data: ['a'] }] }, 422, 'invalid_input'],
    ['too few elements', { inputs: [{ ...input, data: [1, 2] }] }, 422, 'invalid_input'],
    ['an unknown output', { inputs: [input], outputs: [{ name: 'softmax' }] }, 422, 'invalid_input'],
    [
      'an output asked for twice',
      { inputs: [input], outputs: [{ name: 'logits' }, { name: 'logits' }] },
      400,
      'malformed_request',
    ],
    [
      'an output parameter that is not supported',
      { inputs: [input], outputs: [{ name: 'logits', parameters: { classification: 3 } }] },
      422,
      'invalid_input',
    ],
    ['a timeout that is no time', { inputs: [input], parameters: { timeout: -1 } }, 400, 'malformed_request'],
    [
      'a binary_data_output that is no flag',
      { inputs: [input], parameters: { binary_data_output: 'yes' } },
      400,
      'malformed_request',
    ],
  ])('refuses %s', async (_what, body, status, code) => {
    const response = await app().request(inferPath, post(body));
    expect(await problemOf(response)).toMatchObject({ status, code, error: expect.any(String) });
  });

  it.each(['0', '-3', '12x', '999999'])('refuses a header length of %s', async (length) => {
    const response = await app().request(
      inferPath,
      post({ inputs: [input] }, { [headerLengthHeader]: length }),
    );
    expect(await problemOf(response)).toMatchObject({ status: 400 });
  });

  it('refuses media types and encodings that it does not read', async () => {
    for (const headers of [{ 'content-type': 'image/png' }, { 'content-encoding': 'gzip' }]) {
      const response = await app().request(inferPath, post('{}', headers));
      expect(await problemOf(response)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    }
  });

  it('refuses a body over the limit, announced or not', async () => {
    const body = new Uint8Array(extractionBytesMax + 1);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(body.length) };
    for (const init of [{ headers }, {}]) {
      const response = await app().request(inferPath, { method: 'POST', body, ...init });
      expect(await problemOf(response)).toMatchObject({ status: 413, code: 'body_too_large' });
    }
  });

  it.each([
    ['/v2/models/other', 'unknown_model'],
    ['/v2/models/mnist-lenet5/versions/2', 'unknown_model'],
    ['/v1/anything', 'not_found'],
  ])('answers 404 at %s', async (path, code) => {
    expect(await problemOf(await app().request(path))).toMatchObject({ status: 404, code });
  });

  it('answers 405 with the methods that the path takes', async () => {
    const response = await app().request(inferPath, { method: 'PUT' });
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(response.headers.get('allow')).toBe('POST');
  });

  it('keeps a request id that is sane and makes one otherwise', async () => {
    const own = await app().request('/v2/nowhere', { headers: { 'x-request-id': 'req-1' } });
    expect((await problemOf(own)).request_id).toBe('req-1');
    const bad = await app().request('/v2/nowhere', { headers: { 'x-request-id': 'a b"c' } });
    expect((await problemOf(bad)).request_id).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('the bearer token', () => {
  it('is required of all but the health checks', async () => {
    const guarded = app({ token });
    expect((await guarded.request('/v2/health/ready')).status).toBe(200);
    for (const path of ['/v2', '/metrics', '/v2/models/mnist-lenet5']) {
      const refused = await guarded.request(path);
      expect(await problemOf(refused)).toMatchObject({ status: 401, code: 'unauthorized' });
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
      const headers = { authorization: `Bearer ${token}` };
      expect((await guarded.request(path, { headers })).status).toBe(200);
    }
  });

  it.each(['Bearer', 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`, token])(
    'refuses %s',
    async (value) => {
      const response = await app({ token }).request('/v2', { headers: { authorization: value } });
      expect(response.status).toBe(401);
    },
  );
});

describe('a deadline', () => {
  it('is taken from the parameter timeout in microseconds and leaves nothing queued', async () => {
    const single = await createOrtEngine({ workers: 1, queueMax: batchRowsMax });
    const slow = await single.load(lenet);
    const busy = slow.run({ input: images(1_000) });
    const compiled = app({ model: { loaded: slow, rowByRow: true } });
    const { body, headers } = writeBinaryRequest([images(batchRowsMax)], { timeout: 2_000 });
    const response = await compiled.request(inferPath, { method: 'POST', body, headers });
    expect(await problemOf(response)).toMatchObject({ status: 504, code: 'deadline_exceeded' });
    // The queue has room for a whole batch again.
    const next = Array.from({ length: batchRowsMax }, () => slow.run({ input: images(1) }));
    await Promise.all([busy, ...next]);
    await single.close();
  });

  it('leaves nothing queued where the client goes away', async () => {
    const single = await createOrtEngine({ workers: 1, queueMax: batchRowsMax });
    const slow = await single.load(lenet);
    const busy = slow.run({ input: images(1_000) });
    const client = new AbortController();
    const { body, headers } = writeBinaryRequest([images(batchRowsMax)]);
    const request = new Request(`http://gpu-worker${inferPath}`, {
      method: 'POST',
      body,
      headers,
      signal: client.signal,
    });
    const answer = app({ model: { loaded: slow, rowByRow: true } }).request(request);
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.abort();
    await answer;
    const next = Array.from({ length: batchRowsMax }, () => slow.run({ input: images(1) }));
    await Promise.all([busy, ...next]);
    await single.close();
  });
});
