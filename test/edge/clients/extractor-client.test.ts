// The changes of a plan's taps as the gpu-worker answers them: read where they are sound, refused where not.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExtractionCall, extractorClient } from '../../../edge/clients/extractor-client.ts';
import { compiledTensors, extractionParameters } from '../../../shared/contracts/extraction.ts';
import type { NamedTensor } from '../../../shared/maths/tensor.ts';
import { writeResponse } from '../../../shared/oip/write-message.ts';
import { type FixtureServer, startFixtureServer } from '../../helpers/fixture-server.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const expected = { name: 'm', modelDigest: digest('a'), noiseKeyId: 'key', planDigest: digest('b') };
const call: Omit<ExtractionCall, 'deadlineAt'> = {
  expected,
  inputs: new Float32Array(4),
  shape: [2, 2],
  selections: [0, 1].map(() => ({ inputDigest: digest('e'), rows: [], signs: [] })),
  runs: 1 + 1,
  classes: 2,
  changeColumns: [{ quantity: 'change' }, { quantity: 'drift' }, { quantity: 'base' }],
  trace: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), flags: '01', state: undefined },
};

let worker: FixtureServer;
let outputs: NamedTensor[];
beforeAll(async () => {
  worker = await startFixtureServer((_request, response) => {
    const parameters = {
      [extractionParameters.modelDigest]: expected.modelDigest,
      [extractionParameters.compiledDigest]: digest('c'),
      [extractionParameters.noiseKeyId]: expected.noiseKeyId,
      [extractionParameters.planDigest]: expected.planDigest,
    };
    const head = { model_name: 'm', model_version: '1', parameters };
    const { headers, body } = writeResponse(head, outputs, () => true);
    response.writeHead(200, { ...headers, 'content-length': body.length }).end(body);
  });
});
afterAll(() => worker.die());

const tensor = (name: string, shape: number[], data: number[]): NamedTensor => {
  return { name, datatype: 'FP32', shape, data: Float32Array.from(data) };
};
const logits = tensor(compiledTensors.logits, [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
const changesOf = (data: number[], shape = [2, 3]) => tensor(compiledTensors.changes, shape, data);
const extract = (changed: Partial<ExtractionCall> = {}) =>
  extractorClient({ url: new URL(worker.url), token: 't' }).extract({
    ...call,
    ...changed,
    deadlineAt: Date.now() + 5_000,
  });

describe('the changes of an extraction', () => {
  it('are read beside the logits; a drift may be negative', async () => {
    outputs = [changesOf([1, -2, 3, 4, -5, 6]), logits];
    const { changes, logits: read } = await extract();
    expect([...changes!]).toEqual([1, -2, 3, 4, -5, 6]);
    expect([...read]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('are not looked for where the plan has no taps', async () => {
    outputs = [logits];
    expect((await extract({ changeColumns: [] })).changes).toBeUndefined();
  });

  it.each([
    ['are missing', [logits], /no output changes/],
    [
      'have another shape',
      [logits, changesOf([1, 2, 3, 4], [2, 2])],
      /FP32 \[2, 2\] instead of FP32 \[2, 3\]/,
    ],
    ['hold no number', [logits, changesOf([1, Number.NaN, 3, 4, 5, 6])], /changes are not all finite/],
    ['are a negative mean of sizes', [logits, changesOf([1, 2, 3, -4, 5, 6])], /less than none/],
    ['are a negative size', [logits, changesOf([1, 2, -3, 4, 5, 6])], /less than none/],
  ] as const)('are refused where they %s', async (_name, answered, message) => {
    outputs = [...answered];
    await expect(extract()).rejects.toMatchObject({
      code: 'bad_extractor_reply',
      message: expect.stringMatching(message),
    });
  });
});

describe('a gpu-worker behind a binding', () => {
  it('is asked by the binding in place of the network', async () => {
    outputs = [changesOf([1, -2, 3, 4, -5, 6]), logits];
    const asked: string[] = [];
    const fetcher = {
      fetch(url: string, init?: RequestInit) {
        asked.push(url);
        // The host is a name that the binding alone knows.
        return fetch(url.replace('http://gpu-worker/', `${worker.url}/`), init);
      },
    };
    const client = extractorClient({ url: new URL('http://gpu-worker/'), token: 't', fetcher });
    const { logits: read } = await client.extract({ ...call, deadlineAt: Date.now() + 5_000 });
    expect([...read]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(asked).toEqual(['http://gpu-worker/v2/models/m/infer']);
  });
});
