import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CompileFolderOptions, compileModelFolder } from '../../gpu-worker/cli/compile-model-folder.ts';
import { relativeError } from '../../gpu-worker/engine/self-check.ts';
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { float32Tensor, int64Tensor } from '../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../shared/noise/noise-key.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { nccrGuard, lenetFile as onnxFile } from '../helpers/command-line.ts';
import { type ServerProcess, startProcess } from '../helpers/server-process.ts';
import { lenetLayers } from '../helpers/tfjs-lenet.ts';

const assets = fileURLToPath(new URL('../../gpu-worker/demo/assets/', import.meta.url));
const options: CompileFolderOptions = {
  name: 'lenet',
  out: 'lenet.tfjs',
  vector: 'margin-changes',
  noise: 'gaussian',
  epsilon: 0.1,
  bankRows: 8,
  range: [0, 1],
};
const started: ServerProcess[] = [];
let folder: string;
let modelFolder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-'));
  modelFolder = join(folder, 'lenet');
  await mkdir(modelFolder);
  for (const [name, bytes] of lenetLayers()) await writeFile(join(modelFolder, name), bytes);
});
afterAll(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

function compile(model: string, out: string, ...more: string[]) {
  const named = [
    '--name',
    'mnist-lenet5',
    '--noise-key',
    join(folder, 'noise-key'),
    '--out',
    join(folder, out),
  ];
  return nccrGuard('model', 'compile', model, ...named, ...more);
}

async function serve(engine: string): Promise<string> {
  const server = startProcess('gpu-worker/server.ts', {
    env: {
      ENGINE: engine,
      GPU_WORKER_AUTH: 'none',
      GPU_WORKER_PORT: '0',
      GPU_WORKER_WORKERS: '1',
      GPU_WORKER_MODELS: folder,
    },
  });
  started.push(server);
  return String((await server.event('server.ready')).url);
}

async function extract(url: string) {
  const pixels = Float32Array.from({ length: 784 }, (_, index) => ((index * 7919) % 256) / 255);
  const { body, headers } = writeBinaryRequest([
    { name: compiledTensors.input, ...float32Tensor(pixels, [1, 1, 28, 28]) },
    { name: compiledTensors.noiseRows, ...int64Tensor([0, 9, 3, 3], [1, 4]) },
    { name: compiledTensors.noiseSigns, ...float32Tensor(Float32Array.of(1, -1, 1, -1), [1, 4]) },
  ]);
  const response = await fetch(`${url}/v2/models/mnist-lenet5/infer`, { method: 'POST', body, headers });
  expect(response.status).toBe(200);
  const headerLength = response.headers.get(headerLengthHeader);
  return readResponse({ bytes: await response.bytes(), headerLength });
}

it('serves a TensorFlow.js model in place of the ONNX model of the same weights, under its detector', async () => {
  const detector = ['--detector', join(assets, 'mnist-lenet5.detector.json')];
  const made = [
    await compile(onnxFile, 'lenet.onnx', ...detector),
    await compile(modelFolder, 'lenet.tfjs', ...detector, '--same-as', onnxFile),
  ];
  expect(made.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  const [tfjs, onnx] = [await serve('tfjs'), await serve('cpu')];
  const [own, expected] = [await extract(tfjs), await extract(onnx)];
  expect(own.outputs.map(({ name, shape }) => [name, shape])).toEqual([['logits', [1, 10, 10]]]);
  expect(relativeError(own.outputs[0], expected.outputs[0])).toBeLessThan(1e-5);
  // The edge believes both alike: only the compiled file is another.
  const { guard_compiled_digest: ours, ...says } = own.parameters!;
  const { guard_compiled_digest: theirs, ...said } = expected.parameters!;
  expect(says).toEqual(said);
  expect(ours).not.toBe(theirs);
  const metadata: unknown = await (await fetch(`${tfjs}/v2/models/mnist-lenet5`)).json();
  expect(metadata).toMatchObject({ platform: 'tensorflow_js', parameters: { guard_engine: 'tfjs' } });
});

it.each<[string, () => { path: string } & Partial<CompileFolderOptions>, RegExp]>([
  [
    'a twin that is no ONNX model',
    () => ({ path: modelFolder, sameAs: join(modelFolder, 'model.json') }),
    /ONNX/,
  ],
  ['screening', () => ({ path: modelFolder, screening: true }), /--screening takes ONNX models/],
  ['another output', () => ({ path: modelFolder, output: 'fc2' }), /--output is read of ONNX models/],
  [
    'a design on neurons without a detector',
    () => ({ path: modelFolder, vector: 'margin-changes+neurons' }),
    /taps ONNX models/,
  ],
  ['a folder without a model', () => ({ path: folder }), /neither model\.json nor saved_model\.pb/],
])('refuses %s', async (_what, told, reason) => {
  const { path, ...more } = told();
  const noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
  await expect(
    compileModelFolder(path, { ...options, ...more }, { noiseKey, planned: undefined }),
  ).rejects.toThrow(reason);
});

it('compiles a folder under the plan that the options say, in the layout that the model reads', async () => {
  const noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
  const [made] = await compileModelFolder(join(modelFolder, 'model.json'), options, {
    noiseKey,
    planned: undefined,
  });
  expect(made.compiled.model).toMatchObject({ input_shape: [28, 28, 1], output_name: 'logits', classes: 10 });
  expect(made.compiled.model.digest).toMatch(/^sha256:/);
  expect(made.compiled.plan.transforms.length).toBeGreaterThan(0);
});
