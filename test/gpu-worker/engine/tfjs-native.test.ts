import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as converter from '@tensorflow/tfjs-converter';
import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExtractionPart } from '../../../gpu-worker/engine/tfjs-archive.ts';
import { loadTfjsModel } from '../../../gpu-worker/engine/tfjs-extraction.ts';
import { startTfjs } from '../../../gpu-worker/engine/tfjs-runtime.ts';
import type { ExtractionPlan } from '../../../shared/contracts/extraction.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';

const require = createRequire(import.meta.url);
const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
const dimension = (size: number) => ({ wrappers_: null, arrayIndexOffset_: -1, array: [size] });
const unpacked: string[] = [];

/**
 * Stands in for the binding, which cannot be had here: the portable packages under its names, and a SavedModel that sums its pixels,
 * described as version 4.22.0 describes one.
 */
function standIn(isUsingGpuDevice: boolean | undefined): (name: string) => unknown {
  const tf = require('@tensorflow/tfjs-core') as typeof core;
  require('@tensorflow/tfjs-backend-cpu');
  return (name) => {
    expect(name).toBe('@tensorflow/tfjs-node-gpu');
    return {
      ...tf,
      ...(require('@tensorflow/tfjs-layers') as typeof layers),
      ...(require('@tensorflow/tfjs-converter') as typeof converter),
      backend: () => ({ isUsingGpuDevice }),
      node: {
        loadSavedModel: async (path: string, tags: string[], signature: string) => {
          unpacked.push(path);
          expect([tags, signature]).toEqual([['serve'], 'serving_default']);
          expect(readFileSync(join(path, 'variables/variables.index'), 'utf8')).toBe('index');
          return {
            inputs: [{ name: 'serving_default_image', shape: [-1, 2, 3, 1].map(dimension) }],
            outputs: [{ name: 'StatefulPartitionedCall', shape: [-1, 2].map(dimension) }],
            predict: (image: core.Tensor) => {
              const sums = tf.sum(image, [1, 2, 3]);
              return tf.stack([sums, tf.neg(sums)], 1);
            },
            dispose: () => undefined,
          };
        },
      },
    };
  };
}

const savedModel = new Map([
  ['saved_model.pb', new Uint8Array(3)],
  ['variables/variables.index', Buffer.from('index')],
]);
const plan: ExtractionPlan = { input_range: [0, 1], noise: [], transforms: [{ family: 'mirror' }], taps: [] };
const extraction = (taps: ExtractionPlan['taps']): ExtractionPart => ({
  compiled: {
    format: 'nccr-guard/compiled-model',
    format_version: 1,
    model: {
      name: 'sum',
      digest: `sha256:${'0'.repeat(64)}`,
      input_name: 'image',
      input_shape: [2, 3, 1],
      output_name: 'sum',
      classes: 2,
    },
    plan: { ...plan, taps },
    noise_key_id: 'none',
  },
  transforms: plan.transforms,
  channels_first: false,
});

describe('what is done with the native binding', () => {
  const own = util.isNullOrUndefined;
  beforeAll(async () => {
    const tf = require('@tensorflow/tfjs-core') as typeof core;
    require('@tensorflow/tfjs-backend-cpu');
    await tf.setBackend('cpu');
  });
  afterAll(() => {
    util.isNullOrUndefined = own!;
  });

  it('says that a card is used only where the binding says so', async () => {
    expect((await startTfjs('native', standIn(true))).device).toMatch(/native, on an NVIDIA card$/);
    for (const said of [false, undefined]) {
      expect((await startTfjs('native', standIn(said))).device).toMatch(
        /the processor \(TensorFlow uses no card\)$/,
      );
    }
  });

  it('gives the binding the function that Node 23 took away', async () => {
    await startTfjs('native', standIn(true));
    expect([null, undefined, 0, ''].map((value) => util.isNullOrUndefined!(value))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('says why the binding does not load', async () => {
    const broken = () => {
      throw new Error(
        'The Node.js native addon module (tfjs_binding.node) can not be found at path\nPlease run npm rebuild',
      );
    };
    await expect(startTfjs('native', broken)).rejects.toMatchObject({
      code: 'invalid_config',
      message:
        '@tensorflow/tfjs-node-gpu does not load: The Node.js native addon module (tfjs_binding.node) can not be found at path',
    });
  });

  it('runs a SavedModel out of a folder that is gone afterwards, and taps none of it', async () => {
    const tfjs = await startTfjs('native', standIn(true));
    const model = await loadTfjsModel(tfjs, { files: savedModel, extraction: extraction([]) });
    expect(model.specs.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, 2, 3, 1] }]);
    expect(model.specs.outputs).toEqual([{ name: 'logits', datatype: 'FP32', shape: [-1, 2, 2] }]);
    const pixels = Float32Array.of(0, 1, 0, 0, 1, 1);
    const { logits } = await model.run({ x: float32Tensor(pixels, [1, 2, 3, 1]) }, undefined);
    // By hand: a mirror leaves the sum of three as it is.
    expect([...logits.data]).toEqual([3, -3, 3, -3]);
    await model.release();
    const tapped = extraction([{ kind: 'layer', tensor: 'dense' }]);
    await expect(loadTfjsModel(tfjs, { files: savedModel, extraction: tapped })).rejects.toThrow(
      /gives its output alone, not dense/,
    );
    expect(unpacked.length).toBeGreaterThan(0);
    expect(unpacked.filter((path) => existsSync(path))).toEqual([]);
  });
});
