// Inputs that a model must never see: each is refused with the right status, and the upstream counts no request.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { problemSchema } from '../../shared/problem-response.ts';
import {
  apiToken,
  binaryBody,
  calmInput,
  guardedEdge,
  jsonBody,
  modes,
  resetFixtures,
  restlessInput,
} from '../helpers/guarded-edge.ts';

const guarded = guardedEdge();
beforeEach(() => resetFixtures(guarded));

const bodyBytesMax = 4 * 1024 * 1024;
const json = { 'content-type': 'application/json' };
const infinity = Float32Array.of(Number.POSITIVE_INFINITY);

type Refusal = readonly [
  what: string,
  status: number,
  code: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers?: Record<string, string>,
];

/** A binary body with a change: of its values, of its JSON part's claims, or of its header. */
function spoiltBinary(spoil: {
  value?: number;
  json?: (text: string) => string;
  headerLength?: (length: number) => string;
}): [Uint8Array<ArrayBuffer>, Record<string, string>] {
  const { body, headers } = binaryBody([calmInput.with(2, spoil.value ?? 0.5)]);
  const length = Number(headers['inference-header-content-length']);
  const head = new TextDecoder().decode(body.subarray(0, length));
  const changed = new TextEncoder().encode(spoil.json?.(head) ?? head);
  const bytes = Uint8Array.from([...changed, ...body.subarray(length)]);
  const claimed = spoil.headerLength?.(changed.length) ?? String(changed.length);
  return [bytes, { ...headers, 'inference-header-content-length': claimed }];
}

/** A JSON body whose request has more members than it should. */
function withMembers(members: object): string {
  return JSON.stringify({ ...JSON.parse(jsonBody()), ...members });
}
const sharedMemory = { shared_memory_region: 'other', shared_memory_byte_size: 24 };

const twoInputs = JSON.parse(jsonBody());
twoInputs.inputs.push({ ...twoInputs.inputs[0], name: 'second' });

const refusals: readonly Refusal[] = [
  ['an empty body', 400, 'malformed_request', ''],
  ['malformed JSON', 400, 'malformed_request', '{"inputs": ['],
  ['JSON that is no inference request', 400, 'malformed_request', '[1, 2]'],
  ['a NaN literal', 400, 'malformed_request', jsonBody().replace('0.25', 'NaN')],
  ['duplicate keys', 400, 'malformed_request', jsonBody().replace('{"name"', '{"name":"input","name"')],
  [
    'an escaped duplicate key',
    400,
    'malformed_request',
    jsonBody().replace('{"name"', '{"n\\u0061me":"x","name"'),
  ],
  ['a key twice in two cases', 400, 'malformed_request', withMembers({ Inputs: twoInputs.inputs })],
  ['data twice in two cases', 400, 'malformed_request', jsonBody([calmInput], { Data: restlessInput })],
  [
    'an unknown member of the request',
    400,
    'malformed_request',
    withMembers({ raw_input_contents: ['AAAA'] }),
  ],
  ['an unknown member of a tensor', 400, 'malformed_request', jsonBody([calmInput], { contents: {} })],
  ['a tensor in shared memory', 422, 'invalid_input', jsonBody([calmInput], { parameters: sharedMemory })],
  ['a parameter of the guard', 422, 'invalid_input', withMembers({ parameters: { guard_rows_cut: '' } })],
  ['tensors in shared memory', 422, 'invalid_input', withMembers({ parameters: sharedMemory })],
  [
    'data nested otherwise than the shape',
    422,
    'invalid_input',
    jsonBody([calmInput], { data: [calmInput] }),
  ],
  ['a constant row', 422, 'invalid_input', jsonBody([calmInput, calmInput.map(() => 0.5)])],
  ['bytes that are not UTF-8', 400, 'malformed_request', Uint8Array.of(0x22, 0xff, 0x22)],
  ['JSON nested too deeply', 400, 'malformed_request', `${'['.repeat(65)}${']'.repeat(65)}`],
  ['no input', 400, 'malformed_request', '{"inputs": []}'],
  ['a tensor without data', 400, 'malformed_request', jsonBody([calmInput], { data: undefined })],
  ['a second input', 422, 'invalid_input', JSON.stringify(twoInputs)],
  ['an input of another name', 422, 'invalid_input', jsonBody([calmInput], { name: 'other' })],
  ['a wrong datatype', 422, 'invalid_input', jsonBody([calmInput], { datatype: 'FP64' })],
  ['an unknown datatype', 422, 'invalid_input', jsonBody([calmInput], { datatype: 'BYTES' })],
  ['a wrong shape', 422, 'invalid_input', jsonBody([calmInput], { shape: [1, 6] })],
  ['a transposed shape', 422, 'invalid_input', jsonBody([calmInput], { shape: [1, 1, 3, 2] })],
  ['a shape without the batch', 422, 'invalid_input', jsonBody([calmInput], { shape: [1, 2, 3] })],
  ['a negative extent', 400, 'malformed_request', jsonBody([calmInput], { shape: [-1, 1, 2, 3] })],
  ['a shape that overflows', 422, 'invalid_input', jsonBody([calmInput], { shape: [2 ** 52, 1, 2, 3] })],
  ['fewer elements than the shape says', 422, 'invalid_input', jsonBody([calmInput.slice(1)])],
  ['more elements than the shape says', 422, 'invalid_input', jsonBody([[...calmInput, 0]])],
  ['an empty tensor', 422, 'invalid_input', jsonBody([], { shape: [0, 1, 2, 3] })],
  ['an element that is text', 422, 'invalid_input', jsonBody().replace('0.25', '"0.25"')],
  ['an element that is null', 422, 'invalid_input', jsonBody().replace('0.25', 'null')],
  ['an infinite value in JSON', 422, 'invalid_input', jsonBody().replace('0.25', '1e999')],
  ['a value too large for float32', 422, 'invalid_input', jsonBody().replace('0.25', '1e39')],
  ['a value above the range', 422, 'invalid_input', jsonBody([calmInput.with(3, 1.0001)])],
  ['a value below the range', 422, 'invalid_input', jsonBody([calmInput.with(3, -0.0001)])],
  ['a batch over the limit', 422, 'batch_too_large', jsonBody(Array.from({ length: 65 }, () => calmInput))],
  ['a NaN in binary', 422, 'invalid_input', ...spoiltBinary({ value: Number.NaN })],
  ['an infinity in binary', 422, 'invalid_input', ...spoiltBinary({ value: infinity[0] })],
  [
    'a header length beyond the body',
    400,
    'malformed_request',
    ...spoiltBinary({ headerLength: () => '99999' }),
  ],
  [
    'a header length that cuts the JSON part',
    400,
    'malformed_request',
    ...spoiltBinary({ headerLength: (length) => String(length - 3) }),
  ],
  [
    'a header length that reaches into the tensor',
    400,
    'malformed_request',
    ...spoiltBinary({ headerLength: (length) => String(length + 4) }),
  ],
  ['a negative header length', 400, 'malformed_request', ...spoiltBinary({ headerLength: () => '-1' })],
  ['a header length of nothing', 400, 'malformed_request', ...spoiltBinary({ headerLength: () => '0' })],
  ['two header lengths', 400, 'malformed_request', ...spoiltBinary({ headerLength: (n) => `${n}, ${n}` })],
  [
    'a tensor that claims fewer bytes than follow',
    422,
    'invalid_input',
    ...spoiltBinary({ json: (text) => text.replace('"binary_data_size":24', '"binary_data_size":20') }),
  ],
  [
    'a tensor that claims more bytes than follow',
    400,
    'malformed_request',
    ...spoiltBinary({ json: (text) => text.replace('"binary_data_size":24', '"binary_data_size":28') }),
  ],
  [
    'binary without its header',
    415,
    'unsupported_media_type',
    jsonBody(),
    { 'content-type': 'application/octet-stream' },
  ],
  ['another media type', 415, 'unsupported_media_type', jsonBody(), { 'content-type': 'text/plain' }],
  [
    'another charset',
    415,
    'unsupported_media_type',
    jsonBody(),
    { 'content-type': 'application/json; charset=utf-16' },
  ],
  ['a compressed body', 415, 'unsupported_media_type', jsonBody(), { ...json, 'content-encoding': 'gzip' }],
];

describe('in mode enforce', () => {
  afterEach(() => {
    expect(guarded.upstream.received).toEqual([]);
    expect(guarded.extractor.received).toEqual([]);
  });

  it.each(refusals)('%s is answered with %i %s', async (...refusal) => {
    const [, status, code, body, headers = {}] = refusal as unknown as Refusal;
    const answer = await guarded.infer('enforce', body, headers);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    const problem = problemSchema.parse(await answer.json());
    expect(problem).toMatchObject({ status, code, request_id: answer.headers.get('x-request-id') });
    expect(problem.error).toBe(problem.detail);
    expect(answer.headers.get('x-guard-verdict')).toBe('not_scored');
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'not_scored', enforced: true, score: null });
    expect(verdict.failure).toMatchObject({ class: 'unsupported_input', code });
  });

  it('an input out of range is answered with the index and the value of what is wrong', async () => {
    const answer = await guarded.infer('enforce', jsonBody([[2, 0, 0, 0, 0, -3]]));
    const { errors } = problemSchema.parse(await answer.json());
    expect(errors).toEqual([
      { pointer: '/inputs/0/data/0', detail: 'element 0 is 2; the model reads 0 to 1' },
      { pointer: '/inputs/0/data/5', detail: 'element 5 is -3; the model reads 0 to 1' },
    ]);
  });

  it.each([
    [jsonBody([calmInput], { contents: {} }), '/inputs/0: Unrecognized key: "contents"'],
    [
      jsonBody([calmInput], { parameters: sharedMemory }),
      '/inputs/0/parameters: parameter shared_memory_region is not supported',
    ],
    [jsonBody([calmInput, calmInput.map(() => 0)]), 'row 1 is constant: there is nothing to score'],
  ])('what else is refused is named', async (body, detail) => {
    const answer = await guarded.infer('enforce', body);
    expect(problemSchema.parse(await answer.json()).detail).toBe(detail);
  });

  it('a model of another name is answered with 404', async () => {
    for (const name of ['nobody', 'enforce%2F..%2Foff', 'Enforce', '..', 'enf%00orce', 'ｅnforce']) {
      const answer = await guarded.infer(name);
      expect(answer.status, name).toBe(404);
      expect(answer.headers.get('content-type'), name).toBe('application/problem+json');
      await answer.arrayBuffer();
    }
  });

  it('a version that could leave its path is answered with 404', async () => {
    for (const version of ['1%2F..%2F..', '-', '1%3Fx', '%20', '%00']) {
      const path = `/v2/models/enforce/versions/${version}/infer`;
      const answer = await guarded.call(path, { method: 'POST', body: jsonBody(), headers: json });
      expect(answer.status, version).toBe(404);
      await answer.arrayBuffer();
    }
  });

  it('a wrong, missing or malformed token is answered with 401', async () => {
    const authorizations = [
      '',
      'Bearer',
      'Bearer wrong',
      `Basic ${apiToken}`,
      `Bearer ${apiToken}x`,
      apiToken,
    ];
    for (const authorization of authorizations) {
      const answer = await guarded.infer('enforce', jsonBody(), { authorization });
      expect(answer.status, authorization).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer( error="invalid_token")?$/);
      expect(problemSchema.parse(await answer.json()).code).toBe('unauthorized');
    }
  });
});

describe('in every mode', () => {
  afterEach(() => expect(guarded.upstream.received).toEqual([]));

  it.each(modes)('a body over the limit is answered with 413 in mode %s', async (mode) => {
    const answer = await guarded.infer(mode, ' '.repeat(bodyBytesMax + 1));
    expect(answer.status).toBe(413);
    expect(problemSchema.parse(await answer.json()).code).toBe('body_too_large');
  });

  it.each(modes)('a chunked body over the limit is answered with 413 in mode %s', async (mode) => {
    const chunk = new Uint8Array(256 * 1024).fill(0x20);
    let left = bodyBytesMax / chunk.length + 1;
    const body = new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(chunk);
        else controller.close();
      },
    });
    const init = { method: 'POST', body, headers: json, duplex: 'half' } as const;
    const answer = await guarded.call(`/v2/models/${mode}/infer`, init);
    expect(answer.status).toBe(413);
    await answer.arrayBuffer();
  });

  it('an unknown model and a wrong token are refused in mode off and shadow too', async () => {
    for (const mode of ['off', 'shadow']) {
      expect((await guarded.infer(mode, jsonBody(), { authorization: 'Bearer no' })).status).toBe(401);
    }
    expect((await guarded.infer('nobody')).status).toBe(404);
  });
});

describe('a body', () => {
  it('may say that it is UTF-8, be nested and have parameters of its request', async () => {
    const nested = [[[calmInput.slice(0, 3), calmInput.slice(3)]]];
    const request = { ...JSON.parse(jsonBody([calmInput], { data: nested })), parameters: { priority: 1 } };
    const headers = { 'content-type': 'application/json; charset="UTF-8"' };
    const answer = await guarded.infer('enforce', JSON.stringify(request), headers);
    expect(answer.status).toBe(200);
  });
});

describe('a body at the limit', () => {
  it('is scored and forwarded', async () => {
    const body = jsonBody().padEnd(bodyBytesMax, ' ');
    const answer = await guarded.infer('enforce', body);
    expect(answer.status).toBe(200);
    expect(guarded.upstream.received[0].body.length).toBe(bodyBytesMax);
  });

  it('may be a batch of exactly the limit', async () => {
    const answer = await guarded.infer('enforce', jsonBody(Array.from({ length: 64 }, () => calmInput)));
    expect(answer.status).toBe(200);
  });
});
