// Files are decoded within the bounds of what is pending: one for which there is no place never reaches the gpu-worker.
import { beforeEach, expect, it } from 'vitest';
import { receiveTrace } from '../../../edge/clients/trace-context.ts';
import type { GuardedModel } from '../../../edge/guard/current-policies.ts';
import { decodeMedia } from '../../../edge/guard/decode-media.ts';
import { pendingWork } from '../../../edge/guard/pending-work.ts';
import { defaultPolicy } from '../../../shared/contracts/policy.ts';
import { GuardError } from '../../../shared/errors.ts';

const trace = receiveTrace(new Headers());
const tensor = { name: 'x', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(0.5) } as const;
const bounds = { requestsMax: 1, bytesMax: 100, lastsMs: 90_000 };
let pending = { verdicts: pendingWork(bounds), shadow: pendingWork(bounds) };
beforeEach(() => {
  pending = { verdicts: pendingWork(bounds), shadow: pendingWork(bounds) };
});

const modelOf = (mode: 'off' | 'shadow' | 'enforce'): GuardedModel => ({
  name: 'm',
  version: undefined,
  artefactKey: undefined,
  protocol: 'open-inference',
  policy: defaultPolicy(mode),
  policyVersion: 0,
});

function decode(
  mode: 'off' | 'shadow' | 'enforce',
  work: () => Promise<typeof tensor>,
  { type = 'image/png', bytes = 10 } = {},
) {
  const received = { body: new Uint8Array(bytes), headers: new Headers({ 'content-type': type }) };
  const services = { media: { decode: work }, guardTimeoutMs: 1_000, pending };
  return decodeMedia(received, { model: modelOf(mode), trace, waits: true }, services);
}

it.each(['off', 'shadow', 'enforce'] as const)('has a place while it is decoded in mode %s', async (mode) => {
  const { promise, resolve } = Promise.withResolvers<typeof tensor>();
  const first = decode(mode, () => promise);
  expect(pending.verdicts.requests).toBe(1);
  let asked = 0;
  const second = decode(mode, async () => {
    asked++;
    return tensor;
  });
  await expect(second).rejects.toMatchObject({ code: 'overloaded', retryAfterSeconds: 1 });
  expect(asked).toBe(0);
  resolve(tensor);
  expect((await first).begunAt).toBeLessThanOrEqual(Date.now());
  expect(pending.verdicts.requests).toBe(0);
});

it('leaves its place where it cannot be decoded', async () => {
  const failing = decode('enforce', () => Promise.reject(new GuardError('malformed_request', 'damaged')));
  await expect(failing).rejects.toMatchObject({ code: 'malformed_request' });
  expect(pending.verdicts.requests).toBe(0);
});

it('counts by its bytes', async () => {
  const large = decode('enforce', async () => tensor, { bytes: 101 });
  await expect(large).rejects.toMatchObject({ code: 'overloaded' });
});

it('takes none where nothing is to be decoded', async () => {
  const full = pending.verdicts.admit(1);
  expect(full).toBeDefined();
  const json = await decode('enforce', () => Promise.reject(new Error('not asked')), {
    type: 'application/json',
  });
  expect(json.body.length).toBe(10);
});
