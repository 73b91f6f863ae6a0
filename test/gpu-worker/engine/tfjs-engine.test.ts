import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../../gpu-worker/engine/create-engine.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { relativeError } from '../../../gpu-worker/engine/self-check.ts';
import { type ModelFiles, writeArchive } from '../../../gpu-worker/engine/tfjs-archive.ts';
import { createTfjsEngine, installedBackend } from '../../../gpu-worker/engine/tfjs-engine.ts';
import { loadTfjsModel } from '../../../gpu-worker/engine/tfjs-extraction.ts';
import { missingPackages } from '../../../gpu-worker/engine/tfjs-packages.ts';
import { startTfjs } from '../../../gpu-worker/engine/tfjs-runtime.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { compileTfjsModel } from '../../../gpu-worker/extraction/compile-tfjs.ts';
import { compiledTensors, type ExtractionPlan } from '../../../shared/contracts/extraction.ts';
import { float32Tensor, int64Tensor } from '../../../shared/maths/tensor.ts';
import { importNoiseKey, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { lenetGraph, lenetLayers, smallColourLayers } from '../../helpers/tfjs-lenet.ts';

const lenetFile = readFileSync(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
const copies = 3;
const plan: ExtractionPlan = {
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 16, copies }],
  transforms: [
    { family: 'shift', dx: 1, dy: -2, edge: 'replicate' },
    { family: 'mirror' },
    { family: 'total-variation', weight: 0.2, iterations: 6 },
    { family: 'blur', sigma: 1, size: 5 },
    { family: 'bit-depth', bits: 2 },
    { family: 'median', size: 3 },
  ],
  taps: [
    { kind: 'layer', tensor: 'conv2' },
    { kind: 'channels', tensor: 'conv1', index: [0, 5] },
    { kind: 'neurons', tensor: 'conv2', index: [0, 101, 1599] },
    { kind: 'units', tensor: 'conv2', transform: 3, units: 16 },
    { kind: 'units', tensor: 'fc2', transform: 0, units: 84 },
    { kind: 'activations', tensor: 'fc1', neurons: 120 },
    { kind: 'drifts', tensor: 'fc2', neurons: 84 },
  ],
};

/** Two digits' worth of pixels with the noise of each, as a compiled graph of `copies` takes them. */
function feeds(shape: readonly number[], noised = copies) {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const pixels = Float32Array.from({ length: 2 * size }, (_, index) => ((index * 7919) % 256) / 255);
  const x = float32Tensor(pixels, [2, ...shape]);
  if (noised === 0) return { [compiledTensors.input]: x };
  return {
    [compiledTensors.input]: x,
    [compiledTensors.noiseRows]: int64Tensor([3, 15, 0, 7, 7, 1].slice(0, 2 * noised), [2, noised]),
    [compiledTensors.noiseSigns]: float32Tensor(Float32Array.of(1, -1, 1, -1, 1, 1).slice(0, 2 * noised), [
      2,
      noised,
    ]),
  };
}

let tfjs: Engine;
let onnx: Engine;
let noiseKey: NoiseKey;
beforeAll(async () => {
  [tfjs, onnx] = await Promise.all([
    createTfjsEngine({ backend: 'wasm', workers: 1 }),
    createOrtEngine({ workers: 1 }),
  ]);
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
});
afterAll(() => Promise.all([tfjs.close(), onnx.close()]));

function compile(files: ModelFiles, options: Partial<Parameters<typeof compileTfjsModel>[1]> = {}) {
  return compileTfjsModel(files, {
    name: 'mnist-lenet5',
    plan,
    noiseKey,
    engine: tfjs,
    channelsFirst: true,
    ...options,
  });
}

describe('TensorFlow.js', () => {
  it.each([
    ['a Layers model', lenetLayers],
    ['a Graph model', lenetGraph],
  ])(
    'gives of %s the logits and changes of the compiled ONNX model with the same weights',
    async (_what, files) => {
      const options = { name: 'mnist-lenet5', plan, noiseKey, engine: onnx };
      const expected = await onnx.load((await compileModel(lenetFile, options)).bytes);
      const { bytes, compiled } = await compile(files());
      expect(compiled.model).toMatchObject({ input_shape: [1, 28, 28], classes: 10 });
      const own = await tfjs.load(bytes);
      const byName = (specs: readonly { name: string; shape: readonly number[] }[]) =>
        specs.map(({ name, shape }) => [name, shape.slice(1)]);
      expect(byName(own.inputs)).toEqual(byName(expected.inputs));
      expect(byName(own.outputs)).toEqual(byName(expected.outputs));
      const [ours, theirs] = [await own.run(feeds([1, 28, 28])), await expected.run(feeds([1, 28, 28]))];
      for (const name of [compiledTensors.logits, compiledTensors.changes]) {
        expect(relativeError(ours[name], theirs[name])).toBeLessThan(1e-5);
      }
      await Promise.all([own.release(), expected.release()]);
    },
  );

  it.each([
    ['the input and later copies', [0, 2, 5]],
    ['transforms alone', [4, 6]],
  ])('gives of a part of a plan, %s, those rows of the logits', async (_what, only) => {
    const whole = await tfjs.load((await compile(lenetLayers(), { plan: { ...plan, taps: [] } })).bytes);
    const noised = only.filter((run) => run >= 1 && run <= copies);
    const part = await tfjs.load((await compile(lenetLayers(), { plan: { ...plan, taps: [], only } })).bytes);
    const all = feeds([1, 28, 28]);
    const { x, ...noise } = all;
    const picked = Object.fromEntries(
      Object.entries(noised.length === 0 ? {} : noise).map(([name, { datatype, data }]) => {
        const places = [0, 1].flatMap((row) => noised.map((run) => row * copies + run - 1));
        const values = places.map((place) => Number(data[place]));
        const shape = [2, noised.length];
        return [
          name,
          datatype === 'INT64' ? int64Tensor(values, shape) : float32Tensor(Float32Array.from(values), shape),
        ];
      }),
    );
    const logits = (await whole.run(all)).logits.data as Float32Array;
    const runs = 1 + copies + plan.transforms.length;
    const wanted = [0, 1].flatMap((row) =>
      only.flatMap((run) => [...logits.subarray((row * runs + run) * 10, (row * runs + run + 1) * 10)]),
    );
    const own = (await part.run({ x, ...picked })).logits;
    expect(own.shape).toEqual([2, only.length, 10]);
    expect(relativeError(own, float32Tensor(Float32Array.from(wanted), own.shape))).toBeLessThan(1e-6);
    await Promise.all([whole.release(), part.release()]);
  });

  it('reads images as the model does or channels first, with the same noise and transforms', async () => {
    const own: ExtractionPlan = {
      ...plan,
      transforms: [{ family: 'mirror' }, { family: 'median', size: 3 }],
      taps: [{ kind: 'channels', tensor: 'maps', index: [1, 3] }],
    };
    const load = async (channelsFirst: boolean) =>
      tfjs.load((await compile(smallColourLayers(), { plan: own, channelsFirst })).bytes);
    const [first, last] = [await load(true), await load(false)];
    expect([first.inputs[0].shape, last.inputs[0].shape]).toEqual([
      [-1, 3, 6, 5],
      [-1, 6, 5, 3],
    ]);
    const planes = feeds([3, 6, 5]);
    const pixels = new Float32Array(180);
    for (let row = 0; row < 2; row++) {
      for (let channel = 0; channel < 3; channel++) {
        for (let place = 0; place < 30; place++) {
          pixels[row * 90 + place * 3 + channel] = planes.x.data[row * 90 + channel * 30 + place] as number;
        }
      }
    }
    const [one, other] = [
      await first.run(planes),
      await last.run({ ...planes, x: float32Tensor(pixels, [2, 6, 5, 3]) }),
    ];
    expect(other).toEqual(one);
    await Promise.all([first.release(), last.release()]);
  });

  it('takes the identity of an ONNX model that gives the same logits, and of no other', async () => {
    const forward = await onnx.load(lenetFile);
    const named = {
      ...forward,
      run: async (inputs: Parameters<typeof forward.run>[0]) => forward.run({ input: inputs.x }),
    };
    const twin = {
      digest: `sha256:${'a'.repeat(64)}`,
      forward: named,
      inputName: 'input',
      outputName: 'logits',
    };
    const { compiled } = await compile(lenetLayers(), { twin });
    expect(compiled.model).toEqual({
      name: 'mnist-lenet5',
      digest: twin.digest,
      input_name: 'input',
      input_shape: [1, 28, 28],
      output_name: 'logits',
      classes: 10,
    });
    const other = {
      ...twin,
      forward: { ...named, run: async () => ({ logits: float32Tensor(new Float32Array(30), [3, 10]) }) },
    };
    await expect(compile(lenetLayers(), { twin: other })).rejects.toThrow(
      /the ONNX model gives other logits/,
    );
    await forward.release();
  });

  it('frees what a run made', async () => {
    const runtime = await startTfjs('wasm');
    const { bytes } = await compile(lenetGraph());
    const { readArchive } = await import('../../../gpu-worker/engine/tfjs-archive.ts');
    const empty = runtime.core.memory().numTensors;
    const model = await loadTfjsModel(runtime, readArchive(bytes));
    const before = runtime.core.memory().numTensors;
    for (let run = 0; run < 3; run++) await model.run(feeds([1, 28, 28]), undefined);
    expect(runtime.core.memory().numTensors).toBe(before);
    await model.release();
    expect(runtime.core.memory().numTensors).toBe(empty);
  });
});

describe('what TensorFlow.js refuses', () => {
  const without = (files: ModelFiles, path: string) => new Map([...files].filter(([name]) => name !== path));
  const changed = (files: ModelFiles, change: (text: string) => string) =>
    new Map([
      ...files,
      ['model.json', Buffer.from(change(Buffer.from(files.get('model.json')!).toString()))] as const,
    ]);

  it.each<[string, () => ModelFiles, Partial<ExtractionPlan>, RegExp]>([
    [
      'a SavedModel without the native binding',
      () => new Map([['saved_model.pb', new Uint8Array(4)]]),
      {},
      /native binding alone/,
    ],
    ['a folder without model.json', () => without(lenetLayers(), 'model.json'), {}, /no model\.json/],
    [
      'a model whose shard is missing',
      () => without(lenetLayers(), 'group1-shard2of2.bin'),
      {},
      /shard group1-shard2of2\.bin is missing/,
    ],
    [
      'a model whose shard is cut off',
      () => new Map([...lenetLayers(), ['group1-shard2of2.bin', new Uint8Array(8)]]),
      {},
      /bytes of weights instead of 246824/,
    ],
    ['a model.json that is not JSON', () => new Map([['model.json', Buffer.from('<html>')]]), {}, /not JSON/],
    [
      'a layer that TensorFlow.js does not know',
      () => changed(lenetLayers(), (text) => text.replace('"Flatten"', '"Flatter"')),
      {},
      /Flatter/,
    ],
    [
      'probabilities that no softmax could be taken off',
      () => changed(lenetGraph(), (text) => text.replace('"op":"Identity"', '"op":"Abs"')),
      {},
      /gives probabilities/,
    ],
    [
      'a tap that is no layer',
      lenetLayers,
      { taps: [{ kind: 'layer', tensor: 'conv9' }] },
      /no layer conv9 of one output; it has conv1/,
    ],
    [
      'a graph that goes in circles',
      () =>
        changed(lenetGraph(), (text) => text.replace('"input":["probabilities"]', '"input":["Identity"]')),
      {},
      /does not compute Identity/,
    ],
    [
      'a node without a name',
      () => changed(lenetGraph(), (text) => text.replace('"name":"flat",', '')),
      {},
      /a node that is none/,
    ],
    ['a tap that is no node', lenetGraph, { taps: [{ kind: 'layer', tensor: 'conv9' }] }, /no node conv9/],
    [
      'a channel that there is not',
      lenetGraph,
      { taps: [{ kind: 'channels', tensor: 'conv1', index: [6] }] },
      /6 channels, there is no 6/,
    ],
    [
      'another number of units',
      lenetGraph,
      { taps: [{ kind: 'units', tensor: 'conv1', transform: 0, units: 5 }] },
      /6 units, the plan says 5/,
    ],
    [
      'another number of neurons',
      lenetGraph,
      { taps: [{ kind: 'drifts', tensor: 'fc1', neurons: 5 }] },
      /120 neurons, not 5/,
    ],
    [
      'a shift out of sight',
      smallColourLayers,
      { transforms: [{ family: 'shift', dx: 5, dy: 0, edge: 'zeros' }], taps: [] },
      /out of sight/,
    ],
  ])('refuses %s', async (_what, files, part, reason) => {
    await expect(compile(files(), { plan: { ...plan, ...part } })).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(reason),
    });
  });

  it('refuses an ONNX file, a path that leaves the model, and noise that the bank does not have', async () => {
    await expect(tfjs.load(lenetFile)).rejects.toThrow(/not a TensorFlow\.js model/);
    const outside = writeArchive({ files: new Map([['../outside', new Uint8Array(1)]]) });
    await expect(tfjs.load(outside)).rejects.toThrow(/leaves the model/);
    const model = await tfjs.load((await compile(lenetLayers())).bytes);
    const beyond = { ...feeds([1, 28, 28]), noise_rows: int64Tensor([3, 16, 0, 7, 7, 1], [2, 3]) };
    await expect(model.run(beyond)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('16 rows, there is no 16'),
    });
    await expect(model.run({})).rejects.toMatchObject({ code: 'invalid_input' });
    await model.release();
  });
});

describe('the engine tfjs', () => {
  it('is checked against plain JavaScript, and tells what it runs on', async () => {
    const engine = await createEngine({ engine: 'tfjs', workers: 1 });
    expect(engine.info).toMatchObject({
      id: 'tfjs',
      workers: 1,
      device: expect.stringMatching(/^TensorFlow\.js 4\.22\.0 on WebAssembly$/),
    });
    const small = { plan: { ...plan, transforms: [], taps: [] }, engine };
    const model = await engine.load((await compile(smallColourLayers(), small)).bytes);
    expect(model.selfCheck!.relativeError).toBeLessThan(1e-5);
    await engine.close();
  });

  it('says what to install where no package is there', () => {
    const nothing = () =>
      missingPackages('wasm', {
        resolve: Object.assign(
          () => {
            throw new Error('absent');
          },
          { paths: () => null },
        ),
      });
    expect(() => installedBackend(nothing)).toThrow(
      /TensorFlow\.js is not installed: on an NVIDIA card install .*, elsewhere @tensorflow\/tfjs-core @tensorflow\/tfjs-layers @tensorflow\/tfjs-converter @tensorflow\/tfjs-backend-wasm/,
    );
  });

  it('prefers the native binding where that is installed', () => {
    expect(installedBackend(() => [])).toBe('native');
    expect(installedBackend((backend) => (backend === 'native' ? ['@tensorflow/tfjs-node-gpu'] : []))).toBe(
      'wasm',
    );
  });

  it.skipIf(missingPackages('native').length === 0)(
    'says which package is missing where the binding is asked for',
    async () => {
      await expect(createTfjsEngine({ backend: 'native' })).rejects.toMatchObject({
        code: 'invalid_config',
        message: 'packages of TensorFlow.js are not installed: @tensorflow/tfjs-node-gpu',
      });
      await expect(startTfjs('native')).rejects.toThrow(
        /@tensorflow\/tfjs-node-gpu does not load: Cannot find module/,
      );
    },
  );
});
