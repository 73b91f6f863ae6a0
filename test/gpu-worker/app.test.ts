// The gpu-worker's app: health, metadata, inferences and their deadlines.
import { describe, expect, it } from 'vitest';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import {
  headerLengthHeader,
  modelMetadataSchema,
  serverMetadataSchema,
} from '../../shared/contracts/inference.ts';
import { batchRowsMax } from '../../shared/limits.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { images, inferPath, jsonTensor, lenet, lenetApp, post, problemOf } from '../helpers/lenet-app.ts';

const started = lenetApp();
const { app } = started;

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
      const answer = readResponse({ bytes: new Uint8Array(await response.arrayBuffer()) });
      expect(answer).toMatchObject({ model_name: 'mnist-lenet5', model_version: '1', id: 'call-7' });
      const { logits } = await started.loaded.run({ input: images(2) });
      expect(answer.outputs).toEqual([{ name: 'logits', ...logits }]);
    },
  );

  it('answers the binary extension in kind, with the same bits', async () => {
    const { body, headers } = writeBinaryRequest([images(3)]);
    const response = await app().request(inferPath, { method: 'POST', body, headers });
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    const headerLength = response.headers.get(headerLengthHeader);
    const { outputs } = readResponse({ bytes: new Uint8Array(await response.arrayBuffer()), headerLength });
    const { logits } = await started.loaded.run({ input: images(3) });
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
    const answer = readResponse({ bytes: new Uint8Array(await response.arrayBuffer()), headerLength });
    expect(answer.parameters).toEqual({ guard_model_digest: 'sha256:00' });
    expect(answer.outputs[0].shape).toEqual([7, 10]);
    const alone = { ...images(1), data: images(7).data.slice(6 * 784) };
    expect(answer.outputs[0].data.slice(60)).toEqual(
      (await started.loaded.run({ input: alone })).logits.data,
    );
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
