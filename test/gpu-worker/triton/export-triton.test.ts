// An exported repository: its configuration is what Triton reads, and the guard knows the graph by its outputs alone.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExtractionCall, extractorClient } from '../../../edge/clients/extractor-client.ts';
import { createOipApp } from '../../../gpu-worker/app.ts';
import { main } from '../../../gpu-worker/cli/main.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { loadPlainModel } from '../../../gpu-worker/served-model.ts';
import { withIdentityOutput } from '../../../gpu-worker/triton/identity-output.ts';
import { changeColumns, type ExtractionPlan } from '../../../shared/contracts/extraction.ts';
import { modelMetadataSchema } from '../../../shared/contracts/inference.ts';
import { namedIdentity } from '../../../shared/noise/graph-identity.ts';
import { importNoiseKey, type NoiseKey, sha256Digest } from '../../../shared/noise/noise-key.ts';
import { planDigest } from '../../../shared/noise/plan-digest.ts';
import { selectRows } from '../../../shared/noise/select-rows.ts';
import { modelConfigType, readTextFormat } from '../../helpers/triton-text-format.ts';

const lenet = new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
const plan: ExtractionPlan = {
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 32, copies: 4 }],
  transforms: [],
  taps: [{ kind: 'layer', tensor: 'conv1' }],
};
const rows = 3;
const inputs = Float32Array.from({ length: rows * 784 }, (_, index) => ((index * 7919) % 256) / 255);

let engine: Engine;
let folder: string;
let compiled: Uint8Array<ArrayBuffer>;
let noiseKey: NoiseKey;
let expected: ExtractionCall['expected'];
let call: ExtractionCall;
/** A server that gives a graph's outputs and says nothing of it besides, as Triton does. */
let server: ReturnType<typeof createOipApp>;

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  folder = await mkdtemp(join(tmpdir(), 'nccr-guard-triton-'));
  const model = new Uint8Array(await readFile(lenet));
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(5));
  ({ bytes: compiled } = await compileModel(model, { name: 'mnist-lenet5', plan, noiseKey, engine }));
  await writeFile(join(folder, 'compiled.onnx'), compiled);
  const args = ['model', 'export-triton', join(folder, 'compiled.onnx'), '--out', join(folder, 'out')];
  expect(await main([...args, '--kind', 'cpu', '--instances', '2', '--json'])).toBe(0);
  const exported = await readFile(join(folder, 'out/mnist-lenet5/1/model.onnx'));
  const served = await loadPlainModel(engine, 'mnist-lenet5', exported);
  const fixed = { name: 'triton', version: '2', engine: engine.info, deadlineMs: 5_000 };
  server = createOipApp({ ...fixed, models: [served] });
  expected = {
    name: 'mnist-lenet5',
    modelDigest: await sha256Digest(model),
    noiseKeyId: noiseKey.id,
    planDigest: await planDigest(plan),
  };
  const selections = await Promise.all(
    [0, 1, 2].map((row) => selectRows(noiseKey, plan, inputs.slice(row * 784, (row + 1) * 784))),
  );
  call = {
    expected,
    inputs,
    shape: [rows, 1, 28, 28],
    selections,
    runs: 5,
    classes: 10,
    changeColumns: changeColumns(plan),
    deadlineAt: Date.now() + 60_000,
    trace: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), flags: '01', state: undefined },
  };
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** The edge's client, asking that server. */
function client() {
  const fetcher = { fetch: async (url: string, init?: RequestInit) => server.request(url, init) };
  return extractorClient({ url: new URL('http://triton/'), token: 't', fetcher });
}

describe('an exported graph', () => {
  it('gives the edge the numbers of the compiled one, and its digest, from a server that echoes no parameters', async () => {
    const loaded = await engine.load(compiled);
    const here = await extract(loaded, { x: inputs, inputShape: [1, 28, 28], selections: call.selections });
    const answer = await client().extract(call);
    expect(answer.logits).toEqual(here.logits);
    expect(answer.changes).toEqual(here.changes);
    expect(answer.compiledDigest).toBe(await sha256Digest(compiled));
  });

  it('is known to be the right one before anything is asked of it', async () => {
    const { parameters, outputs } = modelMetadataSchema.parse(
      await (await server.request('/v2/models/mnist-lenet5')).json(),
    );
    expect(parameters).toBeUndefined();
    expect(namedIdentity(outputs)).toBeDefined();
    await expect(client().checkServes(expected, Date.now() + 10_000)).resolves.toBeUndefined();
  });

  it.each(['modelDigest', 'noiseKeyId', 'planDigest'] as const)(
    'is not believed by a detector of another %s',
    async (part) => {
      const other = { ...expected, [part]: `sha256:${'0'.repeat(64)}` };
      const refused = { code: 'detector_unavailable', message: expect.stringContaining('another') };
      await expect(client().extract({ ...call, expected: other })).rejects.toMatchObject(refused);
      await expect(client().checkServes(other, Date.now() + 10_000)).rejects.toMatchObject(refused);
    },
  );

  it('is the same file each time, and says what it was made from by one output alone', async () => {
    const [first, second] = await Promise.all([withIdentityOutput(compiled), withIdentityOutput(compiled)]);
    expect(first.bytes).toEqual(second.bytes);
    expect(namedIdentity([{ name: 'logits' }])).toBeUndefined();
    const another = `guard_identity_${'0'.repeat(64)}_${'0'.repeat(64)}`;
    expect(namedIdentity([{ name: first.outputName }, { name: another }])).toBeUndefined();
  });

  it('is refused of what a gpu-worker alone can serve', async () => {
    const model = new Uint8Array(await readFile(lenet));
    const made = { name: 'mnist-lenet5', noiseKey, engine };
    const stage = await compileModel(model, { ...made, plan: { ...plan, taps: [], only: [0] } });
    await expect(withIdentityOutput(stage.bytes)).rejects.toMatchObject({ code: 'invalid_model' });
    await expect(withIdentityOutput(model)).rejects.toMatchObject({ code: 'invalid_model' });
  });
});

describe('its config.pbtxt', () => {
  it("is of Triton's own schema, with the graph's tensors, batching and instances", async () => {
    const text = await readFile(join(folder, 'out/mnist-lenet5/config.pbtxt'), 'utf8');
    const identity = (await withIdentityOutput(compiled)).outputName;
    expect(readTextFormat(text, modelConfigType)).toEqual({
      name: 'mnist-lenet5',
      backend: 'onnxruntime',
      max_batch_size: 64,
      version_policy: { specific: { versions: [1] } },
      input: [
        { name: 'x', data_type: 'TYPE_FP32', dims: [1, 28, 28] },
        { name: 'noise_rows', data_type: 'TYPE_INT64', dims: [4] },
        { name: 'noise_signs', data_type: 'TYPE_FP32', dims: [4] },
      ],
      output: [
        { name: 'logits', data_type: 'TYPE_FP32', dims: [5, 10] },
        { name: 'changes', data_type: 'TYPE_FP32', dims: [2] },
        { name: identity, data_type: 'TYPE_FP32', dims: [1] },
      ],
      instance_group: [{ count: 2, kind: 'KIND_CPU' }],
      dynamic_batching: {
        max_queue_delay_microseconds: 2_000,
        default_queue_policy: {
          timeout_action: 'REJECT',
          default_timeout_microseconds: 5_000_000,
          allow_timeout_override: true,
          max_queue_size: 256,
        },
      },
    });
  });

  it('names the tensors that the graph itself declares, but for the rows', async () => {
    const text = await readFile(join(folder, 'out/mnist-lenet5/config.pbtxt'), 'utf8');
    const config = readTextFormat(text, modelConfigType) as Record<
      'input' | 'output',
      { name: string; dims: number[] }[]
    >;
    const loaded = await engine.load(await readFile(join(folder, 'out/mnist-lenet5/1/model.onnx')));
    for (const list of ['input', 'output'] as const) {
      const declared = loaded[`${list}s`].map(({ name, shape }) => [name, shape.slice(1)]);
      expect(Object.fromEntries(config[list].map(({ name, dims }) => [name, dims]))).toEqual(
        Object.fromEntries(declared),
      );
    }
  });

  it.each([
    ['instance_groups { count: 1 }', 'no field'],
    ['max_batch_size: "64"', 'cannot be'],
    ['instance_group { kind: KIND_TPU }', 'cannot be'],
    ['name: "a" name: "b"', 'second'],
  ])('is read strictly: %s', (text, complaint) => {
    expect(() => readTextFormat(text, modelConfigType)).toThrow(complaint);
  });
});

describe("KServe's manifest", () => {
  it('names the repository, the protocol and the token that the edge shows, and holds no secret', async () => {
    const text = await readFile(join(folder, 'out/mnist-lenet5.inference-service.yaml'), 'utf8');
    expect(text).toContain('kind: InferenceService');
    expect(text).toContain('storageUri: "pvc://nccr-guard-models/triton"');
    expect(text).toContain('protocolVersion: v2');
    expect(text).toMatch(
      /--http-restricted-api=metadata,inference,.*:authorization=Bearer \$\(GPU_WORKER_TOKEN\)/,
    );
    expect(text).toContain('secretKeyRef');
    expect(text).not.toContain('nvidia.com/gpu');
  });
});
