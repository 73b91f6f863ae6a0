// The graph for screening behind the server: examples as float32, as pixels and as files, and what is refused.
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOipApp } from '../../gpu-worker/app.ts';
import type { Engine } from '../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { planScreening } from '../../gpu-worker/extraction/plan-screening.ts';
import { loadCompiledModel, type ServedModel, screeningPartRows } from '../../gpu-worker/served-model.ts';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { shardExamplesMax } from '../../shared/limits.ts';
import { int64Tensor, type NamedTensor } from '../../shared/maths/tensor.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { type ByteTensor, packByteElements } from '../../shared/oip/byte-elements.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { problemSchema } from '../../shared/problem-response.ts';

const side = 28;
const size = side * side;
const range: [number, number] = [-1, 1];
let engine: Engine;
let served: ServedModel;
let app: ReturnType<typeof createOipApp>;

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 2 });
  const model = await readFile(new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
  const noiseKey = await importNoiseKeyHex('7b'.repeat(32));
  const plan = await planScreening(model, { engine, mode: 'nccr', range });
  const { bytes } = await compileModel(model, { name: 'digits', plan, noiseKey, engine, screening: 'nccr' });
  served = await loadCompiledModel(engine, bytes);
  const fixed = { name: 'gpu-worker', version: '0.1.0', engine: engine.info, deadlineMs: 5_000 };
  app = createOipApp({ ...fixed, models: [served] });
}, 180_000);
afterAll(() => engine.close());

const bytesOf = (rows: number) =>
  Uint8Array.from({ length: rows * size }, (_, index) => (index * 7919 + (index >> 8)) % 256);

function noise(rows: number): NamedTensor[] {
  const banked = Array.from({ length: rows * 3 }, (_, index) => (index * 5) % 1024);
  const signs = Float32Array.from({ length: rows * 3 }, (_, index) => (index % 3 === 0 ? -1 : 1));
  return [
    { name: 'noise_rows', ...int64Tensor(banked, [rows, 3]) },
    { name: 'noise_signs', datatype: 'FP32', shape: [rows, 3], data: signs },
  ];
}

function pixels(rows: number): NamedTensor {
  return { name: 'x', datatype: 'UINT8', shape: [rows, 1, side, side], data: bytesOf(rows) };
}

async function files(rows: number): Promise<Uint8Array[]> {
  const bytes = bytesOf(rows);
  return Promise.all(
    Array.from({ length: rows }, (_, row) =>
      sharp(bytes.subarray(row * size, (row + 1) * size), { raw: { width: side, height: side, channels: 1 } })
        .toColourspace('b-w')
        .png()
        .toBuffer(),
    ),
  );
}

const packed = (list: readonly Uint8Array[]): ByteTensor => {
  return { name: 'x', datatype: 'BYTES', shape: [list.length], data: packByteElements(list) };
};

async function infer(inputs: readonly (NamedTensor | ByteTensor)[]): Promise<Response> {
  const { body, headers } = writeBinaryRequest(inputs);
  return app.request('/v2/models/digits/versions/screening/infer', { method: 'POST', body, headers });
}

async function changes(inputs: readonly (NamedTensor | ByteTensor)[]): Promise<Float32Array> {
  const response = await infer(inputs);
  expect(response.status).toBe(200);
  const headerLength = response.headers.get(headerLengthHeader);
  const { outputs, parameters } = readResponse({
    bytes: new Uint8Array(await response.arrayBuffer()),
    headerLength,
  });
  expect(parameters.guard_screening).toBe('nccr');
  return outputs.find(({ name }) => name === 'changes')!.data as Float32Array;
}

async function problem(inputs: readonly (NamedTensor | ByteTensor)[]) {
  const response = await infer(inputs);
  return problemSchema.parse(await response.json());
}

describe('examples of a screening', () => {
  it('give the same vectors as float32, as pixels and as files, to the bit', async () => {
    const rows = 37;
    // The range is -1 to 1: byte v is -1 + v / 127.5.
    const data = Float32Array.from(bytesOf(rows), (byte) => -1 + (byte / 255) * 2);
    const floats = { name: 'x', datatype: 'FP32', shape: [rows, 1, side, side], data } as const;
    const expected = await changes([floats, ...noise(rows)]);
    expect(expected).toHaveLength(rows * 84);
    expect(expected.some((value) => value !== 0)).toBe(true);
    expect(await changes([pixels(rows), ...noise(rows)])).toEqual(expected);
    expect(await changes([packed(await files(rows)), ...noise(rows)])).toEqual(expected);
  });

  it('give the same bits whatever they are sent with', async () => {
    const rows = 20;
    const whole = await changes([pixels(rows), ...noise(rows)]);
    const [rowsTensor, signs] = noise(rows);
    for (const row of [0, 16, 19]) {
      const part = (tensor: NamedTensor, width: number): NamedTensor => ({
        ...tensor,
        shape: [1, ...tensor.shape.slice(1)],
        data: tensor.data.slice(row * width, (row + 1) * width),
      });
      const alone = await changes([part(pixels(rows), size), part(rowsTensor, 3), part(signs, 3)]);
      expect(alone).toEqual(whole.slice(row * 84, (row + 1) * 84));
    }
  });

  it(`come ${shardExamplesMax} at a time and no more`, async () => {
    expect(await changes([pixels(shardExamplesMax), ...noise(shardExamplesMax)])).toHaveLength(256 * 84);
    const over = shardExamplesMax + 1;
    expect(await problem([pixels(over), ...noise(over)])).toMatchObject({ code: 'batch_too_large' });
    const empty = Array.from({ length: over }, () => new Uint8Array(0));
    expect(await problem([packed(empty), ...noise(over)])).toMatchObject({ code: 'batch_too_large' });
  });

  it('are refused with the number of the one that is no image of the shape of the model', async () => {
    const good = await files(3);
    const wide = await sharp(Buffer.alloc(32 * 32), { raw: { width: 32, height: 32, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    expect(await problem([packed([...good, wide]), ...noise(4)])).toMatchObject({
      code: 'invalid_input',
      detail: 'example 3 has 32 x 32 pixels, the model reads 28 x 28',
      errors: [{ pointer: '/inputs/0/3' }],
    });
    const cut = [good[0], good[1].subarray(0, good[1].length - 40), good[2]];
    expect(await problem([packed(cut), ...noise(3)])).toMatchObject({
      code: 'invalid_input',
      detail: expect.stringMatching(/example 1 is damaged/),
    });
    const other = { ...pixels(2), shape: [2, 1, 14, 56] };
    expect(await problem([other, ...noise(2)])).toMatchObject({
      code: 'invalid_input',
      detail: expect.stringMatching(/\[2, 1, 14, 56\] instead of \[-1, 1, 28, 28\]/),
    });
  });

  it('are refused where a list of files is none, or the noise is for other rows', async () => {
    const list = packed(await files(2));
    expect(await problem([{ ...list, shape: [2, 1] }, ...noise(2)])).toMatchObject({ code: 'invalid_input' });
    expect(await problem([{ ...list, shape: [3] }, ...noise(3)])).toMatchObject({
      code: 'invalid_input',
      detail: expect.stringMatching(/element 2 is cut short/),
    });
    expect(await problem([list, ...noise(3)])).toMatchObject({
      code: 'invalid_input',
      detail: expect.stringMatching(/differ in their number of rows/),
    });
    const bytes = { ...noise(2)[1], datatype: 'BYTES', data: new Uint8Array(24) } as ByteTensor;
    expect(await problem([list, noise(2)[0], bytes])).toMatchObject({
      detail: expect.stringMatching(/BYTES instead of FP32/),
    });
  });

  it('are pixels and files for a graph of screening alone', async () => {
    const { intake: _, ...guard } = served;
    const fixed = { name: 'gpu-worker', version: '0.1.0', engine: engine.info, deadlineMs: 5_000 };
    const other = createOipApp({ ...fixed, models: [{ ...guard, version: '1' }] });
    for (const [x, says] of [
      [pixels(1), /UINT8 instead of FP32/],
      [packed(await files(1)), /datatype BYTES is not supported/],
    ] as const) {
      const { body, headers } = writeBinaryRequest([x, ...noise(1)]);
      const response = await other.request('/v2/models/digits/infer', { method: 'POST', body, headers });
      expect(problemSchema.parse(await response.json()).detail).toMatch(says);
    }
  });

  it('are run 16 at once where they are small, one at once where they are large', () => {
    expect(screeningPartRows([1, 28, 28])).toBe(16);
    expect(screeningPartRows([3, 32, 32])).toBe(16);
    expect(screeningPartRows([3, 64, 64])).toBe(4);
    expect(screeningPartRows([3, 224, 224])).toBe(1);
  });
});
