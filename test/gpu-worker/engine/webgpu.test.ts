import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkedEngine } from '../../../gpu-worker/engine/checked-engine.ts';
import { createEngine } from '../../../gpu-worker/engine/create-engine.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { probeEngine } from '../../../gpu-worker/engine/probe-engine.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import type { ExtractionPlan } from '../../../shared/contracts/extraction.ts';
import { importNoiseKey } from '../../../shared/noise/noise-key.ts';
import { vulkanEnvironment, withoutVulkan } from '../../helpers/software-vulkan.ts';
import { smallModel } from '../onnx/small-model.ts';

const lenet = readFileSync(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
const copies = 2;
const plan: ExtractionPlan = {
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 32, copies }],
  transforms: [{ family: 'mirror' }],
  taps: [
    { kind: 'layer', tensor: 'conv2' },
    { kind: 'channels', tensor: 'conv1', index: [1, 4] },
    { kind: 'units', tensor: 'conv2', transform: 0, units: 16 },
  ],
};

/** A convolution over six channels to eight, which WebGPU gets wrong where images lie channel by channel last. */
const sixChannels = smallModel(
  (graph, input) => {
    const kernel = Array.from({ length: 8 * 6 * 9 }, (_, index) => ((index * 37) % 17) / 17 - 0.5);
    const maps = graph.op('Conv', [input, graph.floats([8, 6, 3, 3], kernel)], { kernel_shape: [3, 3] });
    return graph.op('GlobalAveragePool', [graph.op('Relu', [maps])]);
  },
  { shape: ['batch', 6, 8, 8] },
);

// Shaders are compiled on the processor, which takes many times as long where others use it too.
const timeout = 240_000;

describe.skipIf(vulkanEnvironment === undefined)(
  `WebGPU on a Vulkan in software${withoutVulkan}`,
  { timeout },
  () => {
    const before = { ...process.env };
    let reference: Engine;
    beforeAll(async () => {
      Object.assign(process.env, vulkanEnvironment);
      reference = await createOrtEngine({ workers: 1 });
    });
    afterAll(async () => {
      await reference.close();
      // The process goes on with other files.
      for (const name of Object.keys(vulkanEnvironment!)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    });

    it('gives logits and changes of the compiled LeNet-5 as the processor does, within 1e-3 of their size', async () => {
      const noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
      const { bytes } = await compileModel(lenet, { name: 'lenet', plan, noiseKey, engine: reference });
      // Every size of a batch has its shaders compiled anew, which takes seconds without a card: the check has the size of the test.
      const engine = await createOrtEngine({ provider: 'webgpu' });
      expect(engine.info).toMatchObject({ id: 'ort-webgpu', workers: 1 });
      const webgpu = checkedEngine(engine, {
        reference: await createOrtEngine({ workers: 1 }),
        batches: [2],
      });
      const [own, expected] = [await webgpu.load(bytes), await reference.load(bytes)];
      expect(own.selfCheck).toMatchObject({ engine: 'ort-webgpu' });
      expect(own.selfCheck!.relativeError).toBeLessThan(1e-3);
      const batch = {
        x: Float32Array.from({ length: 2 * 784 }, (_, index) => ((index * 7919) % 256) / 255),
        inputShape: [1, 28, 28],
        selections: [
          { rows: [0, 31], signs: [1, -1] },
          { rows: [7, 2], signs: [-1, 1] },
        ],
      };
      const [ours, theirs] = [await extract(own, batch), await extract(expected, batch)];
      for (const output of ['logits', 'changes'] as const) {
        const [values, wanted] = [ours[output]!, theirs[output]!];
        const largest = Math.max(...wanted.map(Math.abs));
        expect(values).toHaveLength(wanted.length);
        for (const [index, value] of wanted.entries()) {
          expect(Math.abs(values[index] - value)).toBeLessThan(1e-3 * largest);
        }
      }
      await webgpu.close();
    });

    it('is refused by the self-check where it computes wrongly, six channels laid out last, or gives way where it may', async () => {
      const wrong = await createOrtEngine({ provider: 'webgpu', webgpuLayout: 'NHWC' });
      // It works, and what it computes with one channel is right: only the model at hand tells.
      await probeEngine(wrong, reference);
      await expect(checkedEngine(wrong, { reference }).load(sixChannels)).rejects.toMatchObject({
        code: 'invalid_config',
        message: expect.stringMatching(
          /^ort-webgpu: self-check: output .* of 1 rows is off by [\d.]+ of its largest/,
        ),
      });
      const fallback = await createOrtEngine({ workers: 1 });
      const own = await createOrtEngine({ workers: 1 });
      const yielding = checkedEngine(wrong, { reference: own, startFallback: async () => fallback });
      const model = await yielding.load(sixChannels);
      expect(model.selfCheck).toBeUndefined();
      // With it both others are closed.
      await yielding.close();
      await expect(fallback.load(sixChannels)).rejects.toMatchObject({ code: 'overloaded' });
      await expect(own.load(sixChannels)).rejects.toMatchObject({ code: 'overloaded' });
    });

    it('is chosen by its name after a probe, with its channels first, and is right about the same model', async () => {
      const right = await createEngine({ engine: 'webgpu' });
      const model = await right.load(sixChannels);
      expect(model.selfCheck).toMatchObject({ engine: 'ort-webgpu' });
      expect(model.selfCheck!.relativeError).toBeLessThan(1e-4);
      await right.close();
    });
  },
);
