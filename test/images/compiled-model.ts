// A compiled LeNet-5 in a folder, and the question whether a gpu-worker that serves the folder computes what is computed here.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { encode } from 'fast-png';
import { extractorClient } from '../../edge/clients/extractor-client.ts';
import { mediaClient } from '../../edge/clients/media-client.ts';
import { receiveTrace } from '../../edge/clients/trace-context.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../gpu-worker/extraction/extract.ts';
import { type ExtractionPlan, planRuns } from '../../shared/contracts/extraction.ts';
import { importNoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import { planDigest } from '../../shared/noise/plan-digest.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';

const asset = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
const name = 'mnist-lenet5';
const inputShape = [1, 28, 28];
const plan: ExtractionPlan = {
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 32, copies: 16 }],
  transforms: [],
  taps: [],
};

/** Writes the model; gives what asks the server, which throws where an answer is not the one of this machine's own engine. */
export async function compiledModel(folder: string): Promise<(url: string, token: string) => Promise<void>> {
  const model = new Uint8Array(await readFile(asset));
  const noiseKey = await importNoiseKey(new Uint8Array(32).fill(3));
  const engine = await createOrtEngine({ workers: 1 });
  const { bytes } = await compileModel(model, { name, plan, noiseKey, engine });
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, `${name}.onnx`), bytes);
  const x = Float32Array.from({ length: 784 }, (_, index) => ((index * 7919) % 256) / 255);
  const selections = [await selectRows(noiseKey, plan, x)];
  const { logits } = await extract(await engine.load(bytes), { x, inputShape, selections });
  await engine.close();
  const expected = {
    name,
    modelDigest: await sha256Digest(model),
    noiseKeyId: noiseKey.id,
    planDigest: await planDigest(plan),
  };
  return async (address, token) => {
    const server = { url: new URL(address), token };
    const call = { deadlineAt: Date.now() + 10_000, trace: receiveTrace(new Headers()) };
    const shape = [1, ...inputShape];
    const runs = planRuns(plan).length;
    const answer = await extractorClient(server).extract({
      ...call,
      expected,
      inputs: x,
      shape,
      selections,
      runs,
      classes: 10,
      changeColumns: [],
    });
    const difference = Math.max(...answer.logits.map((value, index) => Math.abs(value - logits[index])));
    if (!(difference < 1e-5)) throw new Error(`its logits differ by ${difference}`);
    console.log(
      `one extraction, ${runs} forward passes: logits differ from those here by ${difference} at most`,
    );
    const file = encode({
      width: 28,
      height: 28,
      channels: 1,
      data: Uint8Array.from(x, (value) => value * 255),
    });
    const tensor = await mediaClient(server).decode({
      ...call,
      model: name,
      contentType: 'image/png',
      file: new Uint8Array(file),
      audio: undefined,
    });
    console.log(`one PNG decoded to ${tensor.datatype} [${tensor.shape.join(', ')}]`);
  };
}
