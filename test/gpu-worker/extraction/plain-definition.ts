// The plain definition of what a compiled model gives: the model without surgery on the rows that the plan names.
import { create } from '@bufbuild/protobuf';
import { expect } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { compileModel, readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { freeBatch } from '../../../gpu-worker/onnx/dynamic-batch.ts';
import { buildOn } from '../../../gpu-worker/onnx/graph.ts';
import { modelInput } from '../../../gpu-worker/onnx/model-ends.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { ValueInfoProtoSchema } from '../../../gpu-worker/onnx/schema/messages.ts';
import {
  changeColumns,
  type ExtractionPlan,
  planCopies,
  planNoiseCopies,
} from '../../../shared/contracts/extraction.ts';
import {
  channelChanges,
  layerChange,
  neuronChanges,
  type TappedActivations,
  unitChanges,
} from '../../../shared/maths/nccr.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { concatenateFloats, elementCount, float32Tensor, type Tensor } from '../../../shared/maths/tensor.ts';
import { transformInput } from '../../../shared/maths/transforms.ts';
import { noiseBank } from '../../../shared/noise/noise-bank.ts';
import type { NoiseKey } from '../../../shared/noise/noise-key.ts';
import { type RowSelection, selectRows } from '../../../shared/noise/select-rows.ts';

const requests = 2;

/** What both sides run with. */
export interface Runs {
  readonly engine: Engine;
  readonly noiseKey: NoiseKey;
}

/** Runs the model without surgery on the rows that the definition names, with the tapped tensors as outputs. */
async function plainRows(
  engine: Engine,
  bytes: Uint8Array,
  { rows, tensors }: { rows: Float32Array; tensors: string[] },
): Promise<Record<string, Tensor>> {
  const model = loadModel(bytes);
  const graph = buildOn(model, 'plain');
  const input = modelInput(graph);
  // A model for one row is run as it is, row by row.
  if (input.fixedBatch !== 1) freeBatch(graph, input);
  model.graph.output = [...new Set(tensors)].map((name) => create(ValueInfoProtoSchema, { name }));
  const loaded = await engine.load(saveModel(model));
  const size = elementCount(input.shape);
  const perRun = input.fixedBatch ?? rows.length / size;
  const outputs: Record<string, Tensor>[] = [];
  for (let first = 0; first < rows.length; first += perRun * size) {
    const values = rows.slice(first, first + perRun * size);
    outputs.push(await loaded.run({ [input.name]: float32Tensor(values, [perRun, ...input.shape]) }));
  }
  await loaded.release();
  return Object.fromEntries(
    Object.entries(outputs[0]).map(([name, { shape }]) => {
      const data = concatenateFloats(outputs.map((output) => output[name].data as Float32Array));
      return [name, float32Tensor(data, [rows.length / size, ...shape.slice(1)])];
    }),
  );
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
      const copy = planNoiseCopies(plan) + unit.transform + 1;
      return unitChanges(activations, { copy, units: shape[1] })[quantity][unit.index];
    }
    if (unit.kind === 'layer') return layerChange(activations)[quantity === 'base' ? 'base' : 'change'];
    if (unit.kind === 'channel') return channelChanges(activations, shape[1])[unit.index];
    return neuronChanges(activations)[unit.index];
  });
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) {
  expect(found.length).toBe(expected.length);
  for (let index = 0; index < expected.length; index++) {
    const bound = tolerance * Math.max(1, Math.abs(expected[index]));
    expect(Math.abs(found[index] - expected[index]), `element ${index}`).toBeLessThanOrEqual(bound);
  }
}

/**
 * Compiles a model, extracts from it and compares with the definition.
 * @param options `output` names the logits; a difference may be `tolerance`, or that share of an expected value above 1
 */
export async function expectPlainDefinition(
  { engine, noiseKey }: Runs,
  bytes: Uint8Array,
  { plan, output, tolerance }: { plan: ExtractionPlan; output: string; tolerance: number },
): Promise<void> {
  const copies = planCopies(plan);
  const compilation = await compileModel(bytes, { name: 'subject', plan, noiseKey, engine });
  const { bytes: compiledBytes, compiled } = compilation;
  expect(readCompiledModel(compiledBytes)).toEqual(compiled);
  const inputShape = compiled.model.input_shape;
  const size = elementCount(inputShape);
  const bank = await noiseBank(noiseKey, plan, size);
  const random = seededRandom(5);
  // Somewhat out of range, so that it shows that the input itself is not clipped.
  const x = Float32Array.from({ length: requests * size }, () => 1.2 * random() - 0.1);
  const inputs = Array.from({ length: requests }, (_, row) => x.slice(row * size, (row + 1) * size));
  const selections = await Promise.all(inputs.map((input) => selectRows(noiseKey, plan, input)));
  const rows = concatenateFloats(
    inputs.map((input, row) => perturb(input, { plan, bank, inputShape }, selections[row])),
  );

  const loaded = await engine.load(compiledBytes);
  const { logits, changes } = await extract(loaded, { x, inputShape, selections });
  const specs = loaded.outputs.map(({ name, shape }) => [name, shape]);
  await loaded.release();
  const tensors = [output, ...plan.taps.map(({ tensor }) => tensor)];
  const expected = await plainRows(engine, bytes, { rows, tensors });
  expectClose(logits, expected[output].data as Float32Array, tolerance);
  expect(specs[0]).toEqual(['logits', [-1, copies + 1, compiled.model.classes]]);
  if (plan.taps.length === 0) {
    expect(changes).toBeUndefined();
    expect(specs.length).toBe(1);
    return;
  }
  const firsts = inputs.map((_, row) => row * (copies + 1));
  const plain = firsts.flatMap((first) => plainChanges(plan, expected, first));
  expectClose(changes!, plain, tolerance);
  expect(specs[1]).toEqual(['changes', [-1, changeColumns(plan).length]]);
}
