// What the gpu-worker's app refuses, and whom.
import { describe, expect, it } from 'vitest';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { extractionBytesMax } from '../../shared/limits.ts';
import { inferPath, jsonTensor, lenetApp, post, problemOf } from '../helpers/lenet-app.ts';

const { app } = lenetApp();
const token = 'a-token-of-the-test-with-enough-characters';

describe('refusals', () => {
  const input = jsonTensor(1);
  it.each([
    ['a body that is not JSON', '{"inputs": [', 400, 'malformed_request'],
    ['no inputs', { inputs: [] }, 400, 'malformed_request'],
    ['duplicate keys', '{"id":"a","id":"b"}', 400, 'malformed_request'],
    ['a tensor without data', { inputs: [{ ...input, data: undefined }] }, 400, 'malformed_request'],
    ['an unknown input', { inputs: [{ ...input, name: 'pixels' }] }, 422, 'invalid_input'],
    ['a wrong datatype', { inputs: [{ ...input, datatype: 'FP64' }] }, 422, 'invalid_input'],
    ['an unknown datatype', { inputs: [{ ...input, datatype: 'FP8' }] }, 422, 'invalid_input'],
    ['a wrong rank', { inputs: [{ ...input, shape: [784] }] }, 422, 'invalid_input'],
    ['a wrong extent', { inputs: [{ ...input, shape: [1, 28, 28, 1] }] }, 422, 'invalid_input'],
    ['an empty tensor', { inputs: [{ ...input, shape: [0, 1, 28, 28], data: [] }] }, 422, 'invalid_input'],
    ['data that is not numbers', { inputs: [{ ...input, data: ['a'] }] }, 422, 'invalid_input'],
    ['too few elements', { inputs: [{ ...input, data: [1, 2] }] }, 422, 'invalid_input'],
    ['an unknown output', { inputs: [input], outputs: [{ name: 'softmax' }] }, 422, 'invalid_input'],
    [
      'an output asked for twice',
      { inputs: [input], outputs: [{ name: 'logits' }, { name: 'logits' }] },
      400,
      'malformed_request',
    ],
    [
      'an output parameter that is not supported',
      { inputs: [input], outputs: [{ name: 'logits', parameters: { classification: 3 } }] },
      422,
      'invalid_input',
    ],
    ['a timeout that is no time', { inputs: [input], parameters: { timeout: -1 } }, 400, 'malformed_request'],
    [
      'a binary_data_output that is no flag',
      { inputs: [input], parameters: { binary_data_output: 'yes' } },
      400,
      'malformed_request',
    ],
  ])('refuses %s', async (_what, body, status, code) => {
    const response = await app().request(inferPath, post(body));
    expect(await problemOf(response)).toMatchObject({ status, code, error: expect.any(String) });
  });

  it.each(['0', '-3', '12x', '999999'])('refuses a header length of %s', async (length) => {
    const response = await app().request(
      inferPath,
      post({ inputs: [input] }, { [headerLengthHeader]: length }),
    );
    expect(await problemOf(response)).toMatchObject({ status: 400 });
  });

  it('refuses media types and encodings that it does not read', async () => {
    for (const headers of [{ 'content-type': 'image/png' }, { 'content-encoding': 'gzip' }]) {
      const response = await app().request(inferPath, post('{}', headers));
      expect(await problemOf(response)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    }
  });

  it('refuses a body over the limit, announced or not', async () => {
    const body = new Uint8Array(extractionBytesMax + 1);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(body.length) };
    for (const init of [{ headers }, {}]) {
      const response = await app().request(inferPath, { method: 'POST', body, ...init });
      expect(await problemOf(response)).toMatchObject({ status: 413, code: 'body_too_large' });
    }
  });

  it.each([
    ['/v2/models/other', 'unknown_model'],
    ['/v2/models/mnist-lenet5/versions/2', 'unknown_model'],
    ['/v1/anything', 'not_found'],
  ])('answers 404 at %s', async (path, code) => {
    expect(await problemOf(await app().request(path))).toMatchObject({ status: 404, code });
  });

  it('answers 405 with the methods that the path takes', async () => {
    const response = await app().request(inferPath, { method: 'PUT' });
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(response.headers.get('allow')).toBe('POST');
  });

  it('keeps a request id that is sane and makes one otherwise', async () => {
    const own = await app().request('/v2/nowhere', { headers: { 'x-request-id': 'req-1' } });
    expect((await problemOf(own)).request_id).toBe('req-1');
    const bad = await app().request('/v2/nowhere', { headers: { 'x-request-id': 'a b"c' } });
    expect((await problemOf(bad)).request_id).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('the bearer token', () => {
  it('is required of all but the health checks', async () => {
    const guarded = app({ token });
    expect((await guarded.request('/v2/health/ready')).status).toBe(200);
    for (const path of ['/v2', '/metrics', '/v2/models/mnist-lenet5']) {
      const refused = await guarded.request(path);
      expect(await problemOf(refused)).toMatchObject({ status: 401, code: 'unauthorized' });
      expect(refused.headers.get('www-authenticate')).toBe('Bearer');
      const headers = { authorization: `Bearer ${token}` };
      expect((await guarded.request(path, { headers })).status).toBe(200);
    }
  });

  it.each(['Bearer', 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`, token])(
    'refuses %s',
    async (value) => {
      const response = await app({ token }).request('/v2', { headers: { authorization: value } });
      expect(response.status).toBe(401);
    },
  );
});
