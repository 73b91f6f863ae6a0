import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../../gpu-worker/engine/create-engine.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { missingCudaLibrary } from '../../../gpu-worker/engine/ort-cuda-library.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { smallModel } from '../onnx/small-model.ts';

const lenet = readFileSync(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
const withoutCuda = missingCudaLibrary() !== undefined;
const leftOut = withoutCuda ? '' : ' (left out: CUDA is installed)';

function image() {
  const pixels = Float32Array.from({ length: 784 }, (_, index) => ((index * 7919) % 256) / 255);
  return float32Tensor(pixels, [1, 1, 28, 28]);
}

describe('an engine by name', () => {
  it.skipIf(!withoutCuda)(`is not replaced where CUDA is not there${leftOut}`, async () => {
    await expect(createEngine({ engine: 'cuda' })).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(
        /^engine cuda does not work here: onnxruntime-node lacks .*install it with/,
      ),
    });
  });

  it.skipIf(!withoutCuda)(
    `is the processor for auto where CUDA is not there, which is told${leftOut}`,
    async () => {
      const passedOver: string[] = [];
      const engine = await createEngine({
        engine: 'auto',
        workers: 1,
        onPassedOver: (name, reason) => passedOver.push(`${name}: ${reason.message}`),
      });
      expect(engine.info).toMatchObject({ id: 'ort-cpu', workers: 1 });
      expect(passedOver).toEqual([expect.stringContaining('cuda: onnxruntime-node lacks')]);
      const model = await engine.load(lenet);
      expect(model.selfCheck).toBeUndefined();
      await engine.close();
    },
  );
});

describe('WebAssembly', () => {
  let wasm: Engine;
  let processor: Engine;
  beforeAll(async () => {
    wasm = await createEngine({ engine: 'wasm', workers: 1 });
    processor = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => Promise.all([wasm.close(), processor.close()]));

  it('computes what the processor computes, within what its self-check says', async () => {
    const [own, expected] = [await wasm.load(lenet), await processor.load(lenet)];
    expect(wasm.info.id).toBe('ort-wasm');
    expect([own.inputs, own.outputs]).toEqual([expected.inputs, expected.outputs]);
    expect(own.selfCheck!.relativeError).toBeLessThan(1e-5);
    const [ours, theirs] = [await own.run({ input: image() }), await expected.run({ input: image() })];
    const wanted = [...(theirs.logits.data as Float32Array)];
    const largest = Math.max(...wanted.map(Math.abs));
    for (const [index, value] of wanted.entries()) {
      expect(Math.abs((ours.logits.data[index] as number) - value)).toBeLessThan(1e-5 * largest);
    }
  });

  it('refuses a model on which both give numbers that are not finite', async () => {
    const logarithm = smallModel((graph, input) => graph.op('Log', [graph.op('Neg', [input])]), {
      shape: ['batch', 4],
      flatten: false,
    });
    await expect(wasm.load(logarithm)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('not finite'),
    });
  });

  it('refuses a model of which no input can be made up', async () => {
    const free = smallModel((graph, input) => graph.op('Relu', [input]), {
      shape: ['batch', 'length'],
      flatten: false,
    });
    await expect(wasm.load(free)).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringContaining('free in more than its batch'),
    });
  });

  it('refuses a file that is no model, and feeds that do not fit', async () => {
    await expect(wasm.load(new Uint8Array(8))).rejects.toMatchObject({ code: 'invalid_model' });
    const model = await wasm.load(lenet);
    await expect(model.run({})).rejects.toMatchObject({ code: 'invalid_input' });
  });
});
