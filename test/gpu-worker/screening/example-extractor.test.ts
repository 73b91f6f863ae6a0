// Extraction offline beside the same examples sent to a gpu-worker: one set of vectors, to the bit.
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOipApp } from '../../../gpu-worker/app.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { type ExampleExtractor, exampleExtractor } from '../../../gpu-worker/screening/example-extractor.ts';
import { loadCompiledModel } from '../../../gpu-worker/served-model.ts';
import { headerLengthHeader } from '../../../shared/contracts/inference.ts';
import { float32Tensor, int64Tensor, type NamedTensor } from '../../../shared/maths/tensor.ts';
import { importNoiseKeyHex, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { selectRows } from '../../../shared/noise/select-rows.ts';
import { type ByteTensor, packByteElements } from '../../../shared/oip/byte-elements.ts';
import { readResponse } from '../../../shared/oip/read-message.ts';
import { writeBinaryRequest } from '../../../shared/oip/write-message.ts';
import type { ExampleBatch } from '../../../shared/uploads/upload.ts';

const side = 28;
const size = side * side;
const count = 21;
const labels = Int32Array.from({ length: count }, (_, row) => row % 10);
const data = Uint8Array.from({ length: count * size }, (_, index) => (index * 7919 + (index >> 9)) % 256);
const pixelBatch: ExampleBatch = {
  firstRow: 256,
  labels,
  pixels: { shape: [1, side, side], datatype: 'UINT8', data },
};
let engine: Engine;
let model: Uint8Array;
let noiseKey: NoiseKey;
let offline: ExampleExtractor;

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 2 });
  model = await readFile(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
  noiseKey = await importNoiseKeyHex('7b'.repeat(32));
  offline = await exampleExtractor(model, {
    engine,
    name: 'digits',
    mode: 'nccr',
    range: [0, 1],
    seed: 1,
    noiseKey,
  });
}, 180_000);
afterAll(() => engine.close());

async function fileBatch(): Promise<ExampleBatch> {
  const files = await Promise.all(
    Array.from(labels, async (label, row) => {
      const raw = { width: side, height: side, channels: 1 } as const;
      const image = sharp(data.subarray(row * size, (row + 1) * size), { raw }).toColourspace('b-w');
      return { name: `${label}/${row}.png`, bytes: new Uint8Array(await image.png().toBuffer()) };
    }),
  );
  return { firstRow: 256, labels, files };
}

/** The vectors as a gpu-worker gives them to who selects the noise by the bytes as they are sent. */
async function served(x: NamedTensor | ByteTensor, sent: readonly Uint8Array[]): Promise<Float32Array> {
  const { compiled } = offline;
  const { plan } = compiled;
  const { bytes } = await compileModel(model, { name: 'digits', plan, noiseKey, engine, screening: 'nccr' });
  const one = await loadCompiledModel(engine, bytes);
  const fixed = { name: 'gpu-worker', version: '0.1.0', engine: engine.info, deadlineMs: 5_000 };
  const app = createOipApp({ ...fixed, models: [one] });
  const selections = await Promise.all(sent.map((example) => selectRows(noiseKey, plan, example)));
  const shape = [sent.length, 3];
  const rows = selections.flatMap((selection) => selection.rows);
  const signs = Float32Array.from(selections.flatMap((selection) => selection.signs));
  const noise = [
    { name: 'noise_rows', ...int64Tensor(rows, shape) },
    { name: 'noise_signs', ...float32Tensor(signs, shape) },
  ];
  const { body, headers } = writeBinaryRequest([x, ...noise]);
  const path = '/v2/models/digits/versions/screening/infer';
  const response = await app.request(path, { method: 'POST', body, headers });
  const message = {
    bytes: new Uint8Array(await response.arrayBuffer()),
    headerLength: response.headers.get(headerLengthHeader),
  };
  return readResponse(message).outputs.find(({ name }) => name === 'changes')!.data as Float32Array;
}

describe('extraction offline', () => {
  it('gives the vectors that a gpu-worker gives, of pixels and of files', async () => {
    const { vectors, runnersUp } = await offline.extract(pixelBatch);
    expect([vectors.length, runnersUp.length]).toEqual([count * 84, count]);
    const rowsOf = Array.from({ length: count }, (_, row) => data.subarray(row * size, (row + 1) * size));
    const x: NamedTensor = { name: 'x', datatype: 'UINT8', shape: [count, 1, side, side], data };
    expect(await served(x, rowsOf)).toEqual(vectors);
    const batch = await fileBatch();
    const files = batch.files!.map(({ bytes }) => bytes);
    const packed = { name: 'x', datatype: 'BYTES', shape: [count], data: packByteElements(files) } as const;
    const ofFiles = await offline.extract(batch);
    expect(await served(packed, files)).toEqual(ofFiles.vectors);
    // The same pixels, but other noise: it is selected by the file.
    expect(ofFiles.vectors).not.toEqual(vectors);
    expect(ofFiles.runnersUp).toEqual(runnersUp);
  });

  it('gives an example the same vector however the data set is cut into batches', async () => {
    const { vectors } = await offline.extract(pixelBatch);
    const alone = await offline.extract({
      firstRow: 256 + 17,
      labels: labels.slice(17, 18),
      pixels: { shape: [1, side, side], datatype: 'UINT8', data: data.slice(17 * size, 18 * size) },
    });
    expect(alone.vectors).toEqual(vectors.slice(17 * 84, 18 * 84));
  });

  it('names the row and the file of an example that cannot be read', async () => {
    const batch = await fileBatch();
    const files = batch.files!.map((file, row) =>
      row === 4 ? { ...file, bytes: file.bytes.slice(0, 90) } : file,
    );
    await expect(offline.extract({ ...batch, files })).rejects.toThrow(
      /example 260 \(4\/4\.png\) is damaged/,
    );
  });
});
