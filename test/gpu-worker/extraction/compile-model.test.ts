import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel, readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { freeBatch } from '../../../gpu-worker/onnx/dynamic-batch.ts';
import { buildOn } from '../../../gpu-worker/onnx/graph.ts';
import { modelInput } from '../../../gpu-worker/onnx/model-ends.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { ValueInfoProtoSchema } from '../../../gpu-worker/onnx/schema/messages.ts';
import { changeColumns, type ExtractionPlan, type Tap } from '../../../shared/contracts/extraction.ts';
import {
  channelChanges,
  layerChange,
  neuronChanges,
  type TappedActivations,
} from '../../../shared/maths/nccr.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { elementCount, float32Tensor, type Tensor } from '../../../shared/maths/tensor.ts';
import { noiseBank } from '../../../shared/noise/noise-bank.ts';
import { importNoiseKey, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { type RowSelection, selectRows } from '../../../shared/noise/select-rows.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const copies = 5;
const requests = 2;

let engine: Engine;
let noiseKey: NoiseKey;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(3));
});
afterAll(() => engine.close());

function planOf(taps: Tap[], range: [number, number] = [0, 1]): ExtractionPlan {
  return {
    input_range: range,
    // Two segments, so that row numbers run over the whole bank; a large epsilon, so that much is clipped.
    noise: [
      { family: 'gaussian', epsilon: 0.3, rows: 8, copies: 3 },
      { family: 'uniform', epsilon: 0.6, rows: 4, copies: 2 },
    ],
    transforms: [],
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

/** The input and its copies by the definition: x, then clip(x + sign * bank row). */
function perturb(x: Float32Array, plan: ExtractionPlan, bank: Float32Array, { rows, signs }: RowSelection) {
  const size = x.length;
  const all = new Float32Array((rows.length + 1) * size);
  all.set(x);
  for (const [copy, row] of rows.entries()) {
    for (let index = 0; index < size; index++) {
      const noisy = Math.fround(x[index] + signs[copy] * bank[row * size + index]);
      all[(copy + 1) * size + index] = Math.min(plan.input_range[1], Math.max(plan.input_range[0], noisy));
    }
  }
  return all;
}

/** `changes` of one input by the plain definition. */
function plainChanges(plan: ExtractionPlan, outputs: Record<string, Tensor>, first: number): number[] {
  return changeColumns(plan).map(({ tensor, quantity, unit }) => {
    const { data, shape } = outputs[tensor];
    const neurons = elementCount(shape.slice(1));
    const values = (data as Float32Array).slice(first * neurons, (first + copies + 1) * neurons);
    const activations: TappedActivations = { values, copies, neurons };
    if (unit.kind === 'layer') return layerChange(activations)[quantity];
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
async function expectDefinition(file: string, taps: Tap[], output: string) {
  const bytes = readFileSync(`${sharedFolder}models/${file}`);
  const plan = planOf(taps);
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
    inputs.flatMap((input, row) => [...perturb(input, plan, bank, selections[row])]),
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
    await expectDefinition(file, taps, output);
  });
});

function knowsTensor(file: string, tensor: string): boolean {
  const { graph } = loadModel(readFileSync(`${sharedFolder}models/${file}`));
  return graph.node.some(({ input, output }) => input.includes(tensor) || output.includes(tensor));
}
