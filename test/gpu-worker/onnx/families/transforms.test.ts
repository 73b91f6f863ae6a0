import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../../gpu-worker/engine/ort-engine.ts';
import { transformCopies } from '../../../../gpu-worker/onnx/families/transforms.ts';
import { buildOn, newModel } from '../../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../../gpu-worker/onnx/model-file.ts';
import type { Transform } from '../../../../shared/contracts/transform.ts';
import { seededRandom } from '../../../../shared/maths/random.ts';
import { elementCount, float32Tensor } from '../../../../shared/maths/tensor.ts';
import { transformInput } from '../../../../shared/maths/transforms.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

interface Inputs {
  readonly shape: readonly number[];
  readonly rows: number;
  readonly range?: [number, number];
  readonly opset?: number;
  readonly x?: Float32Array;
}

/** Runs the copies of a graph, [rows, transforms, ...shape]. */
async function copiesOf(
  transforms: readonly Transform[],
  { shape, rows, range = [0, 1], opset = 17, x }: Inputs,
) {
  const model = newModel('copies', opset);
  const graph = buildOn(model, 'guard');
  const input = graph.op('Reshape', [graph.input('x', ['R', ...shape]), graph.ints([-1, 1, ...shape])]);
  const copies = transformCopies(transforms).append({ graph, input, shape, range });
  graph.op('Identity', [copies], {}, 'copies');
  graph.output('copies', ['R', transforms.length, ...shape]);
  const loaded = await engine.load(saveModel(model));
  const outputs = await loaded.run({ x: float32Tensor(x!, [rows, ...shape]) });
  await loaded.release();
  expect(outputs.copies.shape).toEqual([rows, transforms.length, ...shape]);
  return outputs.copies.data as Float32Array;
}

function randomInputs({ shape, rows, range: [low, high] = [0, 1] }: Inputs): Float32Array {
  const random = seededRandom(11);
  // A share of exact ends and ties, as images have them; some lie outside the range.
  return Float32Array.from({ length: rows * elementCount(shape) }, () => {
    const draw = random();
    const unit = draw < 0.2 ? 0 : draw < 0.3 ? 1 : draw < 0.4 ? 0.5 : 1.1 * random() - 0.05;
    return low + (high - low) * unit;
  });
}

/** The same copies by the plain definition. */
function plainCopies(transforms: readonly Transform[], { shape, rows, range = [0, 1], x }: Inputs): number[] {
  const [planes, height, width] = shape.length === 3 ? shape : [1, 1, elementCount(shape)];
  const size = elementCount(shape);
  return Array.from({ length: rows }, (_, row) => {
    const values = x!.subarray(row * size, (row + 1) * size);
    return transforms.flatMap((transform) => [
      ...transformInput({ values, planes, height, width }, transform, range),
    ]);
  }).flat();
}

async function expectDefinition(transforms: readonly Transform[], inputs: Inputs) {
  const filled = { ...inputs, x: randomInputs(inputs) };
  const found = await copiesOf(transforms, filled);
  const expected = plainCopies(transforms, filled);
  const [low, high] = inputs.range ?? [0, 1];
  const worst = expected.reduce((most, value, index) => Math.max(most, Math.abs(found[index] - value)), 0);
  expect(worst).toBeLessThanOrEqual(1e-5 * (high - low));
}

const images: readonly Transform[] = [
  { family: 'shift', dx: 1, dy: 0, edge: 'zeros' },
  { family: 'shift', dx: 0, dy: 1, edge: 'replicate' },
  { family: 'shift', dx: -2, dy: 3, edge: 'replicate' },
  { family: 'shift', dx: 2, dy: -1, edge: 'zeros' },
  { family: 'mirror' },
  { family: 'total-variation', weight: 0.03, iterations: 8 },
  { family: 'total-variation', weight: 0.3, iterations: 8 },
  { family: 'total-variation', weight: 0.1, iterations: 1 },
  { family: 'blur', sigma: 0.5, size: 5 },
  { family: 'blur', sigma: 1.3, size: 3 },
  { family: 'bit-depth', bits: 1 },
  { family: 'bit-depth', bits: 3 },
  { family: 'median', size: 2 },
  { family: 'median', size: 3 },
];
const signals = images.filter(
  (transform) => transform.family !== 'mirror' && (transform.family !== 'shift' || transform.dy === 0),
);

describe('copies by transforms', () => {
  it.each(images)('are what the definition gives: $family %o', async (transform) => {
    for (const shape of [
      [1, 7, 9],
      [3, 9, 5],
    ]) {
      await expectDefinition([transform], { shape, rows: 1 });
      await expectDefinition([transform], { shape, rows: 3 });
    }
  });

  it.each([11, 12, 13, 18, 20])('stand in the order of the plan, under operator set %i', async (opset) => {
    await expectDefinition(images, { shape: [3, 28, 27], rows: 2, opset });
  });

  it('keep to another range of values', async () => {
    await expectDefinition(images, { shape: [3, 8, 8], rows: 2, range: [-1, 3] });
  });

  it('of a signal run along it', async () => {
    await expectDefinition(signals, { shape: [13], rows: 2 });
  });

  it('reduce the bit depth of inputs of every shape', async () => {
    await expectDefinition([{ family: 'bit-depth', bits: 2 }], { shape: [2, 3, 4, 5], rows: 2 });
  });

  it('of a row do not depend on the rows beside it, not even where those hold a NaN', async () => {
    const shape = [2, 6, 6];
    const both = randomInputs({ shape, rows: 2 });
    const spoilt = both.slice();
    spoilt[0] = Number.NaN;
    const size = both.length / 2;
    const alone = await copiesOf(images, { shape, rows: 1, x: both.slice(size) });
    const beside = await copiesOf(images, { shape, rows: 2, x: spoilt });
    expect(beside.subarray(beside.length / 2)).toEqual(alone);
    expect(beside.subarray(0, beside.length / 2).includes(Number.NaN)).toBe(true);
  });

  it('of a constant image are the image, but for shifts that bring in zeros', async () => {
    const kept = images.filter((transform) => !(transform.family === 'shift' && transform.edge === 'zeros'));
    const x = new Float32Array(2 * 36).fill(1);
    const copies = await copiesOf(kept, { shape: [2, 6, 6], rows: 1, x });
    for (const value of copies) expect(value).toBeCloseTo(1, 6);
  });
});

describe('a transform refuses an input that it makes no sense of', () => {
  const cases: [string, Transform, number[], RegExp][] = [
    ['a mirrored signal', { family: 'mirror' }, [16], /mirror.*\[16\].*a left and a right/],
    ['a signal shifted downward', { family: 'shift', dx: 0, dy: 1, edge: 'zeros' }, [16], /out of sight/],
    ['a shift out of the image', { family: 'shift', dx: 8, dy: 0, edge: 'zeros' }, [1, 8, 8], /out of sight/],
    [
      'a blur of an image smaller than half its window',
      { family: 'blur', sigma: 1, size: 9 },
      [1, 4, 9],
      /4 x 9/,
    ],
    [
      'an input of two dimensions',
      { family: 'median', size: 3 },
      [8, 8],
      /\[8, 8\].*\[channels, height, width\]/,
    ],
    ['channels that stand last', { family: 'blur', sigma: 1, size: 3 }, [8, 8, 3], /channels stand last/],
  ];
  it.each(cases)('%s', async (_name, transform, shape, message) => {
    const x = new Float32Array(elementCount(shape));
    await expect(copiesOf([transform], { shape, rows: 1, x })).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(message),
    });
  });
});
