import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel, readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { withUnitTaps } from '../../../gpu-worker/extraction/unit-taps.ts';
import { freeBatch } from '../../../gpu-worker/onnx/dynamic-batch.ts';
import { buildOn } from '../../../gpu-worker/onnx/graph.ts';
import { modelInput } from '../../../gpu-worker/onnx/model-ends.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { ValueInfoProtoSchema } from '../../../gpu-worker/onnx/schema/messages.ts';
import {
  changeColumns,
  type ExtractionPlan,
  planCopies,
  type Tap,
} from '../../../shared/contracts/extraction.ts';
import type { Transform } from '../../../shared/contracts/transform.ts';
import {
  channelChanges,
  layerChange,
  neuronChanges,
  type TappedActivations,
  unitChanges,
} from '../../../shared/maths/nccr.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { elementCount, float32Tensor, type Tensor } from '../../../shared/maths/tensor.ts';
import { transformInput } from '../../../shared/maths/transforms.ts';
import { noiseBank } from '../../../shared/noise/noise-bank.ts';
import { importNoiseKey, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { type RowSelection, selectRows } from '../../../shared/noise/select-rows.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const noisyCopies = 5;
const requests = 2;

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

/** Runs the model without surgery on the rows that the definition names, with the tapped tensors as outputs. */
async function plainRows(
  bytes: Uint8Array,
  { rows, tensors }: { rows: Float32Array; tensors: string[] },
): Promise<Record<string, Tensor>> {
  const model = loadModel(bytes);
  const graph = buildOn(model, 'plain');
  const input = modelInput(graph);
  freeBatch(graph, input);
  model.graph.output = [...new Set(tensors)].map((name) => create(ValueInfoProtoSchema, { name }));
  const loaded = await engine.load(saveModel(model));
  const shape = [rows.length / elementCount(input.shape), ...input.shape];
  const outputs = await loaded.run({ [input.name]: float32Tensor(rows, shape) });
  await loaded.release();
  return outputs;
}

/** The input and its copies by the definition: x, then clip(x + sign * bank row), then the transforms. */
function perturb(
  x: Float32Array,
  { plan, bank, inputShape }: { plan: ExtractionPlan; bank: Float32Array; inputShape: readonly number[] },
  { rows, signs }: RowSelection,
) {
  const size = x.length;
  const all = new Float32Array((planCopies(plan) + 1) * size);
  all.set(x);
  for (const [copy, row] of rows.entries()) {
    for (let index = 0; index < size; index++) {
      const noisy = Math.fround(x[index] + signs[copy] * bank[row * size + index]);
      all[(copy + 1) * size + index] = Math.min(plan.input_range[1], Math.max(plan.input_range[0], noisy));
    }
  }
  const [planes, height, width] = inputShape;
  for (const [index, transform] of plan.transforms.entries()) {
    const copy = transformInput({ values: x, planes, height, width }, transform, plan.input_range);
    all.set(copy, (rows.length + index + 1) * size);
  }
  return all;
}

/** `changes` of one input by the plain definition. */
function plainChanges(plan: ExtractionPlan, outputs: Record<string, Tensor>, first: number): number[] {
  const copies = planCopies(plan);
  return changeColumns(plan).map(({ tensor, quantity, unit }) => {
    const { data, shape } = outputs[tensor];
    const neurons = elementCount(shape.slice(1));
    const values = (data as Float32Array).slice(first * neurons, (first + copies + 1) * neurons);
    const activations: TappedActivations = { values, copies, neurons };
    if (quantity === 'activation') throw new Error('the plans of these tests tap changes alone');
    if (unit.kind === 'unit') {
      const copy = noisyCopies + unit.transform + 1;
      return unitChanges(activations, { copy, units: shape[1] })[quantity][unit.index];
    }
    if (unit.kind === 'layer') return layerChange(activations)[quantity === 'base' ? 'base' : 'change'];
    if (unit.kind === 'channel') return channelChanges(activations, shape[1])[unit.index];
    return neuronChanges(activations)[unit.index];
  });
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>) {
  expect(found.length).toBe(expected.length);
  for (let index = 0; index < expected.length; index++) {
    const bound = 1e-5 * Math.max(1, Math.abs(expected[index]));
    expect(Math.abs(found[index] - expected[index]), `element ${index}`).toBeLessThanOrEqual(bound);
  }
}

/** Extracts from a compiled model and compares it with the definition. */
async function expectDefinition(
  file: string,
  { taps, output, transforms }: { taps: Tap[]; output: string; transforms?: Transform[] },
) {
  const bytes = readFileSync(`${sharedFolder}models/${file}`);
  const plan = planOf(taps, transforms);
  const copies = planCopies(plan);
  const { bytes: compiledBytes, compiled } = await compileModel(bytes, {
    name: 'subject',
    plan,
    noiseKey,
    engine,
  });
  expect(readCompiledModel(compiledBytes)).toEqual(compiled);
  const inputShape = compiled.model.input_shape;
  const size = elementCount(inputShape);
  const bank = await noiseBank(noiseKey, plan, size);
  const random = seededRandom(5);
  // Somewhat out of range, so that it shows that the input itself is not clipped.
  const x = Float32Array.from({ length: requests * size }, () => 1.2 * random() - 0.1);
  const inputs = Array.from({ length: requests }, (_, row) => x.slice(row * size, (row + 1) * size));
  const selections = await Promise.all(inputs.map((input) => selectRows(noiseKey, plan, input)));
  const rows = Float32Array.from(
    inputs.flatMap((input, row) => [...perturb(input, { plan, bank, inputShape }, selections[row])]),
  );

  const loaded = await engine.load(compiledBytes);
  const { logits, changes } = await extract(loaded, { x, inputShape, selections });
  const specs = loaded.outputs.map(({ name, shape }) => [name, shape]);
  await loaded.release();
  const expected = await plainRows(bytes, { rows, tensors: [output, ...taps.map(({ tensor }) => tensor)] });
  expectClose(logits, expected[output].data as Float32Array);
  expect(specs[0]).toEqual(['logits', [-1, copies + 1, compiled.model.classes]]);
  if (taps.length === 0) {
    expect(changes).toBeUndefined();
    expect(specs.length).toBe(1);
    return;
  }
  const firsts = inputs.map((_, row) => row * (copies + 1));
  expectClose(
    changes!,
    firsts.flatMap((first) => plainChanges(plan, expected, first)),
  );
  expect(specs[1]).toEqual(['changes', [-1, changeColumns(plan).length]]);
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
