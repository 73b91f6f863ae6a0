// Small networks of the families that are in use: what is compiled and what is differentiated against their definitions.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { layerTensors } from '../../../gpu-worker/onnx/layer-tensors.ts';
import { loadModel } from '../../../gpu-worker/onnx/model-file.ts';
import { prepareModel } from '../../../gpu-worker/onnx/prepare-model.ts';
import type { ExtractionPlan, Tap } from '../../../shared/contracts/extraction.ts';
import { importNoiseKey, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';
import { slopeError } from '../onnx/slope-error.ts';
import {
  alexNet,
  branched,
  convNext,
  denseNet,
  leNet,
  mobileNet,
  resNet,
  seNet,
  vgg,
} from '../onnx/zoo/image-nets.ts';
import {
  attentivePooling,
  audioNet,
  recurrentNet,
  timeDelayNet,
  visionTransformer,
} from '../onnx/zoo/sequence-nets.ts';
import { expectPlainDefinition } from './plain-definition.ts';

/** In units of the input. */
const steps = [1e-3, 1e-4, 3e-5, 1e-5];

let engine: Engine;
let noiseKey: NoiseKey;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(7));
});
afterAll(() => engine.close());

/** Nets without a kink, whose differences agree to float32's rounding. */
const smooth: [name: string, bytes: () => Uint8Array][] = [
  ['LeNet', leNet],
  ['ConvNeXt', convNext],
  ['ViT of small operators', () => visionTransformer({ opset: 14, batch: 'free', splits: false })],
  ['ViT of LayerNormalization and Gelu', () => visionTransformer({ opset: 20, batch: 'free', splits: true })],
  ['ViT, exported for one row', () => visionTransformer({ opset: 17, batch: 'one', splits: true })],
  ['attentive statistics pooling', attentivePooling],
];

/** Nets of ReLU and maxima: over any step some unit may cross its kink. */
const kinked: [name: string, bytes: () => Uint8Array][] = [
  ['AlexNet, with response normalisation', alexNet],
  ['VGG', vgg],
  ['ResNet, exported for one row', resNet],
  ['MobileNet, depthwise with hard swish', mobileNet],
  ['squeeze-and-excite with SiLU', seNet],
  ['DenseNet, by concatenation', denseNet],
  ['parallel branches and shuffled groups', branched],
  ['a one-dimensional audio network', audioNet],
  ['a TDNN with statistics pooling', timeDelayNet],
];

/** Layers of a net where it has activation functions, its logits in any case: by layer, channel and neuron. */
async function planFor(bytes: Uint8Array): Promise<{ plan: ExtractionPlan; output: string }> {
  const { probed, logits, originalName } = await prepareModel(loadModel(bytes), {
    engine,
    reserved: [],
    tensors: layerTensors(bytes, 3),
  });
  const layers = layerTensors(bytes, 3).filter((tensor) => probed.get(tensor)?.rowwise);
  const output = originalName(logits);
  const taps = [...layers, output].flatMap((tensor): Tap[] => [
    { kind: 'layer', tensor },
    { kind: 'channels', tensor, index: [1, 0] },
    { kind: 'neurons', tensor, index: [1, 0] },
  ]);
  const noise: ExtractionPlan['noise'] = [
    { family: 'gaussian', epsilon: 0.3, rows: 8, copies: 3 },
    { family: 'uniform', epsilon: 0.6, rows: 4, copies: 2 },
  ];
  return { plan: { input_range: [0, 1], noise, transforms: [], taps }, output };
}

/** Trained ones of the shared folder. */
const trained = [
  'mnist-lenet5.onnx',
  'cifar10-resnet8.onnx',
  'poisoned/gtsrb_clean.onnx',
  'speech/audionet.onnx',
  'speech/audionet6.onnx',
];

describe('the model zoo', () => {
  it.each([...smooth, ...kinked, ['an LSTM', recurrentNet] as const])(
    'compiles to what the definition gives: %s',
    async (_name, make) => {
      const bytes = make();
      await expectPlainDefinition({ engine, noiseKey }, bytes, {
        ...(await planFor(bytes)),
        tolerance: 1e-4,
      });
    },
  );

  it.skipIf(sharedFolder === undefined).each(trained)(
    'compiles to what the definition gives: %s (skipped without ../shared)',
    async (file) => {
      const bytes = readFileSync(`${sharedFolder}models/${file}`);
      await expectPlainDefinition({ engine, noiseKey }, bytes, {
        ...(await planFor(bytes)),
        tolerance: 1e-4,
      });
    },
  );

  it.each([
    ...smooth.map(([name, make]) => [name, make, 3e-3] as const),
    ...kinked.map(([name, make]) => [name, make, 3e-2] as const),
  ])('has the gradients that central differences show: %s', async (_name, make, tolerance) => {
    const error = await slopeError(engine, make(), { range: [0.02, 0.98], steps, directions: 4 });
    expect(error).toBeLessThan(tolerance);
  });

  it.skipIf(sharedFolder === undefined).each(trained)(
    'has the gradients that central differences show: %s (skipped without ../shared)',
    async (file) => {
      const bytes = readFileSync(`${sharedFolder}models/${file}`);
      // Recordings are small numbers, and their nets have tens of thousands of kinks.
      const isSpeech = file.startsWith('speech/');
      const range = isSpeech ? ([-0.1, 0.1] as const) : ([0.02, 0.98] as const);
      const ladder = isSpeech ? [3e-5, 1e-5, 5e-6] : steps;
      const error = await slopeError(engine, bytes, { rows: 1, range, steps: ladder, directions: 4 });
      expect(error).toBeLessThan(3e-2);
    },
  );
});
