import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { withUnitTaps } from '../../../gpu-worker/extraction/unit-taps.ts';
import { loadModel } from '../../../gpu-worker/onnx/model-file.ts';
import type { ExtractionPlan, Tap } from '../../../shared/contracts/extraction.ts';
import type { Transform } from '../../../shared/contracts/transform.ts';
import { importNoiseKey, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';
import { expectPlainDefinition } from './plain-definition.ts';

let engine: Engine;
let noiseKey: NoiseKey;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(3));
});
afterAll(() => engine.close());

function planOf(taps: Tap[], transforms: Transform[] = []): ExtractionPlan {
  return {
    input_range: [0, 1],
    // Two segments, so that row numbers run over the whole bank; a large epsilon, so that much is clipped.
    noise: [
      { family: 'gaussian', epsilon: 0.3, rows: 8, copies: 3 },
      { family: 'uniform', epsilon: 0.6, rows: 4, copies: 2 },
    ],
    transforms,
    taps,
  };
}

/** The three kinds of tap on one tensor. */
function tapsOn(tensor: string, channels: number, neurons: number): Tap[] {
  return [
    { kind: 'neurons', tensor, index: [neurons - 1, 0, neurons >> 1] },
    { kind: 'layer', tensor },
    { kind: 'channels', tensor, index: [channels - 1, 0] },
  ];
}

async function expectDefinition(
  file: string,
  { taps, output, transforms }: { taps: Tap[]; output: string; transforms?: Transform[] },
) {
  const bytes = readFileSync(`${sharedFolder}models/${file}`);
  const plan = planOf(taps, transforms);
  await expectPlainDefinition({ engine, noiseKey }, bytes, { plan, output, tolerance: 1e-5 });
}

describe.skipIf(!sharedFolder)('compileModel (skipped where ../shared/models is missing)', () => {
  it.each([
    ['mnist-lenet5.onnx', 'logits', [...tapsOn('conv1', 6, 4704), ...tapsOn('fc2', 84, 84)]],
    ['mnist-lenet5.onnx', 'logits', tapsOn('logits', 10, 10)],
    ['mnist-lenet5.onnx', 'logits', []],
    ['cifar10-resnet8.onnx', 'logits', [...tapsOn('block1', 24, 24 * 256), ...tapsOn('gap', 96, 96)]],
    ...['', '_b1', '_bn'].flatMap((kind): [string, string, Tap[]][] => [
      [
        `reference/lenet${kind}.onnx`,
        'logits',
        [{ kind: 'layer', tensor: 'x' }, ...tapsOn('logits', 10, 10)],
      ],
      [`reference/resnet20${kind}.onnx`, 'logits', tapsOn('/layers/layers.3/Relu_output_0', 32, 32 * 256)],
      [`reference/vggs${kind}.onnx`, 'logits', tapsOn('/f/f.11/AveragePool_output_0', 32, 512)],
    ]),
  ] as [string, string, Tap[]][])('gives what the definition gives: %s', async (file, output, taps) => {
    const known = taps.filter(({ tensor }) => knowsTensor(file, tensor));
    expect(known.length).toBe(taps.length);
    await expectDefinition(file, { taps, output });
  });

  it.each([
    ['mnist-lenet5.onnx', 'w0-grey', ['conv1:6', 'conv2:16', 'fc1:120', 'fc2:84', 'logits:10']],
    [
      'cifar10-resnet8.onnx',
      'w0-colour',
      // The 298 units of W0+N on this net: 596 entries.
      ['stem:24', 'block1:24', 'block2:48', 'block3:96', 'gap:96', 'logits:10'],
    ],
  ] as const)(
    'gives the units of %s under one transform as the definition does',
    async (file, preset, tensors) => {
      const transforms = [...transformPresets[preset]];
      const bytes = readFileSync(`${sharedFolder}models/${file}`);
      const { taps } = await withUnitTaps(bytes, planOf([], transforms), { engine });
      expect(taps.map((tap) => tap.kind === 'units' && `${tap.tensor}:${tap.units}`)).toEqual(tensors);
      // Another tap before them, so that it shows that each finds its own copy and columns.
      const layer: Tap = { kind: 'layer', tensor: 'logits' };
      await expectDefinition(file, { taps: [layer, ...taps], output: 'logits', transforms });
    },
  );
});

function knowsTensor(file: string, tensor: string): boolean {
  const { graph } = loadModel(readFileSync(`${sharedFolder}models/${file}`));
  return graph.node.some(({ input, output }) => input.includes(tensor) || output.includes(tensor));
}
