import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import {
  compiledTensors,
  type ExtractionPlan,
  extractionParameters,
} from '../../shared/contracts/extraction.ts';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { float32Tensor, int64Tensor, type NamedTensor } from '../../shared/maths/tensor.ts';
import { importNoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import { planDigest } from '../../shared/noise/plan-digest.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { type ServerProcess, startProcess } from '../helpers/server-process.ts';

const lenetFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
const token = 'a-token-of-the-test-with-enough-characters';
const headers = { authorization: `Bearer ${token}` };
const copies = 16;
const plan: ExtractionPlan = {
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 32, copies }],
  transforms: [],
  taps: [{ kind: 'layer', tensor: 'conv1' }],
};

let folder: string;
let compiledDigest: string;
let keyId: string;
const started: ServerProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gpu-worker-'));
  const engine = await createOrtEngine({ workers: 1 });
  const noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
  const { bytes } = await compileModel(await readFile(lenetFile), {
    name: 'mnist-lenet5',
    plan,
    noiseKey,
    engine,
  });
  await engine.close();
  await writeFile(join(folder, 'lenet.onnx'), bytes);
  compiledDigest = await sha256Digest(bytes);
  keyId = noiseKey.id;
});
afterEach(() => {
  for (const { child } of started.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rm(folder, { recursive: true }));

function start(env: Record<string, string> = {}, ipc = false): ServerProcess {
  const fixed = {
    GPU_WORKER_PORT: '0',
    GPU_WORKER_TOKEN: token,
    GPU_WORKER_MODELS: folder,
    GPU_WORKER_WORKERS: '1',
  };
  const server = startProcess('gpu-worker/server.ts', { env: { ...fixed, ...env }, ipc });
  started.push(server);
  return server;
}

async function urlOf(server: ServerProcess): Promise<string> {
  return String((await server.event('server.ready')).url);
}

/** Inputs of the compiled model for so many rows, all with other pixels and noise. */
function extraction(rows: number): NamedTensor[] {
  const pixels = Float32Array.from({ length: rows * 784 }, (_, index) => ((index * 7919) % 256) / 255);
  const bankRows = Array.from({ length: rows * copies }, (_, index) => (index * 5) % 32);
  const signs = Float32Array.from({ length: rows * copies }, (_, index) => (index % 3 === 0 ? -1 : 1));
  return [
    { name: compiledTensors.input, ...float32Tensor(pixels, [rows, 1, 28, 28]) },
    { name: compiledTensors.noiseRows, ...int64Tensor(bankRows, [rows, copies]) },
    { name: compiledTensors.noiseSigns, ...float32Tensor(signs, [rows, copies]) },
  ];
}

function send(url: string, inputs: readonly NamedTensor[], model = 'mnist-lenet5'): Promise<Response> {
  const message = writeBinaryRequest(inputs);
  const init = { method: 'POST', body: message.body, headers: { ...message.headers, ...headers } };
  return fetch(`${url}/v2/models/${model}/infer`, init);
}

async function read(response: Response) {
  expect(response.status).toBe(200);
  return readResponse({
    bytes: new Uint8Array(await response.arrayBuffer()),
    headerLength: response.headers.get(headerLengthHeader),
  });
}

describe('the gpu-worker as a process', () => {
  it('serves a compiled model and says which file under which key answered', async () => {
    const url = await urlOf(start());
    const answer = await read(await send(url, extraction(2)));
    expect(answer.outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['logits', [2, copies + 1, 10]],
      ['changes', [2, 2]],
    ]);
    expect(answer.parameters).toEqual({
      [extractionParameters.modelDigest]: await sha256Digest(await readFile(lenetFile)),
      [extractionParameters.compiledDigest]: compiledDigest,
      [extractionParameters.noiseKeyId]: keyId,
      [extractionParameters.planDigest]: await planDigest(plan),
    });
    const metadata = await (await fetch(`${url}/v2/models/mnist-lenet5`, { headers })).json();
    expect(metadata).toMatchObject({ parameters: answer.parameters });
  });

  it('serves on the engine that is named, and says how far it is from the processor', async () => {
    const url = await urlOf(start({ ENGINE: 'wasm' }));
    const [own, expected] = [await send(url, extraction(2)), await send(await urlOf(start()), extraction(2))];
    const [answer, reference] = [await read(own), await read(expected)];
    for (const [index, { data }] of reference.outputs.entries()) {
      const wanted = [...(data as Float32Array)];
      const largest = Math.max(...wanted.map(Math.abs));
      for (const [place, value] of wanted.entries()) {
        expect(Math.abs((answer.outputs[index].data[place] as number) - value)).toBeLessThan(1e-3 * largest);
      }
    }
    const metadata = await (await fetch(`${url}/v2/models/mnist-lenet5`, { headers })).json();
    const error = expect.toSatisfy((value) => typeof value === 'number' && value > 0 && value < 1e-3);
    expect(metadata).toMatchObject({
      parameters: { guard_engine: 'ort-wasm', guard_self_check_error: error },
    });
    const server = (await (await fetch(`${url}/v2`, { headers })).json()) as { extensions: string[] };
    expect(server.extensions).toContain('engine:ort-wasm');
    expect(server.extensions).toContainEqual(expect.stringMatching(/^self_check_error:\d/));
    const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
    expect(metrics).toMatch(
      /gpu_worker_self_check_error\{model="mnist-lenet5",version="1",engine="ort-wasm"\} \d/,
    );
  });

  it('does not start on a named engine that does not work here, and says why', async () => {
    // A card may be there; a driver that is not is no card.
    const server = start({ ENGINE: 'webgpu', VK_ICD_FILENAMES: '/no/such/driver.json' });
    const failed = await server.event('server.failed');
    expect(failed.cause).toMatchObject({
      message: expect.stringMatching(/^engine webgpu does not work here: .*[Aa]dapter/s),
    });
    expect(await server.exitCode()).toBe(1);
  });

  it('gives a row the same bits in a batch as alone, the changes of its taps too', async () => {
    const url = await urlOf(start({ GPU_WORKER_WORKERS: '2' }));
    const batch = extraction(5);
    const whole = await read(await send(url, batch));
    for (let row = 0; row < 5; row++) {
      const alone = batch.map(({ data, shape, ...tensor }): NamedTensor => {
        const size = data.length / 5;
        return { ...tensor, shape: [1, ...shape.slice(1)], data: data.slice(row * size, (row + 1) * size) };
      });
      const answer = await read(await send(url, alone));
      for (const [index, { data }] of answer.outputs.entries()) {
        expect(whole.outputs[index].data.slice(row * data.length, (row + 1) * data.length)).toEqual(data);
      }
    }
  });

  it('refuses inputs that differ in their rows, and noise rows that the bank does not have', async () => {
    const url = await urlOf(start());
    const [x, rows, signs] = extraction(2);
    const uneven = await send(url, [x, ...extraction(1).slice(1)]);
    expect([uneven.status, (await uneven.json()) as unknown]).toMatchObject([422, { code: 'invalid_input' }]);
    const outside = await send(url, [
      x,
      { ...rows, data: new BigInt64Array(rows.data.length).fill(32n) },
      signs,
    ]);
    expect([outside.status, (await outside.json()) as unknown]).toMatchObject([
      422,
      { code: 'invalid_input' },
    ]);
  });

  it('serves more models than it may hold in memory, one after the other and all at once', async () => {
    const many = await mkdtemp(join(tmpdir(), 'gpu-worker-'));
    const engine = await createOrtEngine({ workers: 1 });
    const noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
    const model = await readFile(lenetFile);
    const names = ['a', 'b', 'c'];
    for (const name of names) {
      const { bytes } = await compileModel(model, { name, plan, noiseKey, engine });
      await writeFile(join(many, `${name}.onnx`), bytes);
    }
    await engine.close();
    // Each takes three megabytes, by the estimate that is the least they are counted with.
    const url = await urlOf(start({ GPU_WORKER_MODELS: many, GPU_WORKER_MEMORY_MB: '7' }));
    const answer = async (name: string) => (await read(await send(url, extraction(1), name))).outputs[0].data;
    const alone = [await answer('a'), await answer('b'), await answer('c')];
    expect(await Promise.all(names.map(answer))).toEqual(alone);
    expect(alone[1]).toEqual(alone[0]);
    const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
    const [, loaded] = /^gpu_worker_models_loaded (\d+)$/m.exec(metrics)!;
    expect(Number(loaded)).toBeLessThan(3);
    expect(metrics).toMatch(/^gpu_worker_model_evictions_total [1-9]/m);
    expect(metrics).toContain('gpu_worker_models_bytes_max 7340032');
    expect(metrics).toMatch(/^gpu_worker_runs_total 6$/m);
    await rm(many, { recursive: true });
  });

  it('finishes a running request on SIGTERM, takes no new one and exits 0', async () => {
    const server = start();
    const url = await urlOf(server);
    const { body, headers: oipHeaders } = writeBinaryRequest(extraction(64));
    const running = request(`${url}/v2/models/mnist-lenet5/infer`, {
      method: 'POST',
      headers: { ...oipHeaders, ...headers, 'content-length': body.length, expect: '100-continue' },
    });
    running.flushHeaders();
    // The server asks for the body: from here on the request is at work there.
    await once(running, 'continue');
    server.child.kill('SIGTERM');
    await server.event('server.draining');
    await expect(send(url, extraction(1))).rejects.toThrow('fetch failed');
    running.end(body);
    const [response] = (await once(running, 'response')) as [IncomingMessage];
    const headerLength = String(response.headers[headerLengthHeader]);
    const answer = readResponse({ bytes: await buffer(response), headerLength });
    expect(answer.outputs[0].shape).toEqual([64, copies + 1, 10]);
    expect(await server.exitCode()).toBe(0);
  });

  it('cuts a request off that does not end within the drain time, and exits 1', async () => {
    const server = start({ GPU_WORKER_DRAIN_MS: '50' });
    const url = await urlOf(server);
    const running = request(`${url}/v2/models/mnist-lenet5/infer`, {
      method: 'POST',
      headers: { ...headers, 'content-length': 100, expect: '100-continue' },
    });
    running.flushHeaders();
    await once(running, 'continue');
    const cut = once(running, 'error');
    server.child.kill('SIGTERM');
    await server.event('server.cut_off');
    await cut.catch((error: unknown) => error);
    expect(await server.exitCode()).toBe(1);
  });

  it('ends when its parent goes away', async () => {
    const server = start({}, true);
    await server.event('server.ready');
    server.child.disconnect();
    expect(await server.exitCode()).toBe(0);
  });

  it('says which port is taken and exits 1', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    const address = await new Promise<{ port: number }>((resolve) => {
      holder.on('listening', () => resolve(holder.address() as { port: number }));
    });
    const server = start({ GPU_WORKER_PORT: String(address.port) });
    const failure = await server.event('server.failed');
    expect(JSON.stringify(failure)).toContain(`port ${address.port} on 127.0.0.1 is taken`);
    expect(await server.exitCode()).toBe(1);
    holder.close();
  });

  it('stops with the name of a file that is not a compiled model', async () => {
    const other = await mkdtemp(join(tmpdir(), 'gpu-worker-'));
    await writeFile(join(other, 'plain.onnx'), await readFile(lenetFile));
    const server = start({ GPU_WORKER_MODELS: other });
    expect(JSON.stringify(await server.event('server.failed'))).toMatch(/plain\.onnx: .*not compiled/);
    expect(await server.exitCode()).toBe(1);
    await rm(other, { recursive: true });
  });

  it('stops at a folder without a model', async () => {
    await mkdir(join(folder, 'empty'));
    const server = start({ GPU_WORKER_MODELS: join(folder, 'empty') });
    expect(JSON.stringify(await server.event('server.failed'))).toContain('has no .onnx file');
    expect(await server.exitCode()).toBe(1);
  });

  it.each([
    ['a folder that is not there', { GPU_WORKER_MODELS: '/nonexistent' }, 'cannot read /nonexistent'],
    ['a misspelt variable', { GPU_WORKER_PROT: '1' }, 'GPU_WORKER_PROT: no such variable'],
  ])('stops at %s', async (_what, env, reason) => {
    const server = start(env);
    expect(JSON.stringify(await server.event('server.failed'))).toContain(reason);
    expect(await server.exitCode()).toBe(1);
  });
});
