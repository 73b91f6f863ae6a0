import { describe, expect, it } from 'vitest';
import { GuardError } from '../../../shared/errors.ts';
import { readRequest, readResponse } from '../../../shared/oip/read-message.ts';
import { writeBinaryRequest, writeResponse } from '../../../shared/oip/write-message.ts';

const text = (value: unknown) =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const input = { name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] };

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof GuardError) return thrown.code;
    throw thrown;
  }
  return 'accepted';
}

describe('reading a JSON request', () => {
  it('reads flat and nested data alike', () => {
    const flat = readRequest({ bytes: text({ id: '7', inputs: [input] }) });
    expect(flat.id).toBe('7');
    expect(flat.inputs[0]).toEqual({ ...input, data: Float32Array.of(1, 2) });
    const nested = readRequest({ bytes: text({ inputs: [{ ...input, data: [[1, 2]] }] }) });
    expect(nested.inputs[0].data).toEqual(Float32Array.of(1, 2));
  });

  it('reads every datatype of fixed size and refuses what does not fit it', () => {
    const one = (datatype: string, data: unknown) =>
      readRequest({ bytes: text({ inputs: [{ name: 'x', shape: [1], datatype, data }] }) }).inputs[0].data[0];
    expect(one('INT64', [-5])).toBe(-5n);
    expect(one('BOOL', [true])).toBe(1);
    expect(one('UINT8', [255])).toBe(255);
    expect(codeOf(() => one('UINT8', [256]))).toBe('invalid_input');
    expect(codeOf(() => one('INT32', [1.5]))).toBe('invalid_input');
    expect(codeOf(() => one('FP32', [1e39]))).toBe('invalid_input');
    expect(codeOf(() => one('FP32', ['1']))).toBe('invalid_input');
    expect(codeOf(() => one('FP32', [null]))).toBe('invalid_input');
    expect(codeOf(() => one('BYTES', ['a']))).toBe('invalid_input');
  });

  const malformed: Record<string, string> = {
    'text that is no JSON': '{"inputs":',
    'a literal NaN': '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]}',
    'no inputs': '{"inputs":[]}',
    'inputs of another type': '{"inputs":{}}',
    'a duplicate key': `{"inputs":[],"inputs":[${JSON.stringify(input)}]}`,
    'a duplicate key spelt otherwise': `{"inputs":[],"\\u0069nputs":[${JSON.stringify(input)}]}`,
    'two tensors of one name': JSON.stringify({ inputs: [input, input] }),
    'a key again in another case': `{"inputs":[${JSON.stringify(input)}],"Inputs":[]}`,
    'a key again with a letter that folds to another': `{"inputs":[${JSON.stringify(input)}],"input\u017f":[]}`,
    'a member that the protocol does not have': JSON.stringify({ inputs: [input], raw_input_contents: [] }),
    'a member of a tensor that the protocol does not have': JSON.stringify({
      inputs: [{ ...input, contents: { fp32_contents: [9, 9] } }],
    }),
    'a tensor without data': JSON.stringify({ inputs: [{ ...input, data: undefined }] }),
    'a negative extent': JSON.stringify({ inputs: [{ ...input, shape: [-1, 2] }] }),
    'a parameter that is an object': JSON.stringify({ inputs: [input], parameters: { a: {} } }),
    'brackets without end': '['.repeat(5000),
  };
  for (const [what, body] of Object.entries(malformed)) {
    it(`refuses ${what} as malformed`, () => {
      expect(codeOf(() => readRequest({ bytes: text(body) }))).toBe('malformed_request');
    });
  }

  it('refuses bytes that are not UTF-8', () => {
    expect(codeOf(() => readRequest({ bytes: Uint8Array.of(0x7b, 0xff, 0x7d) }))).toBe('malformed_request');
  });

  it('refuses data of another length than the shape', () => {
    for (const data of [[1], [1, 2, 3], [[1], [2, 3]], []]) {
      expect(codeOf(() => readRequest({ bytes: text({ inputs: [{ ...input, data }] }) }))).toBe(
        'invalid_input',
      );
    }
  });

  it('refuses a shape beyond the limit before it makes room for it', () => {
    const huge = { ...input, shape: [2 ** 40], data: [] };
    expect(codeOf(() => readRequest({ bytes: text({ inputs: [huge] }) }))).toBe('invalid_input');
  });

  it('refuses nesting that is not the shape’s', () => {
    const read = (shape: readonly number[], data: unknown) =>
      codeOf(() => readRequest({ bytes: text({ inputs: [{ name: 'x', shape, datatype: 'FP32', data }] }) }));
    expect(
      read(
        [2, 3],
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
      ),
    ).toBe('accepted');
    expect(read([2, 0], [[], []])).toBe('accepted');
    expect(read([], [1])).toBe('accepted');
    for (const data of [
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      [
        [1, 2, 3, 4],
        [5, 6],
      ],
      [[1, 2, 3], 4, 5, 6],
      [1, 2, 3, 4, 5, [6]],
      [
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
      ],
      [
        [[1], [2], [3]],
        [[4], [5], [6]],
      ],
      7,
    ]) {
      expect(read([2, 3], data), JSON.stringify(data)).toBe('invalid_input');
    }
    expect(read([], [[1]])).toBe('invalid_input');
  });

  it('makes no room for more elements than the data holds', () => {
    // Room for as many would be a RangeError.
    const elements = 2 ** 50;
    for (const data of [[], [[]], [[1]]]) {
      const bytes = text({ inputs: [{ ...input, shape: [1, elements], data }] });
      expect(codeOf(() => readRequest({ bytes }, elements))).toBe('invalid_input');
    }
  });

  it('does not take a key inside a string or another object for a duplicate', () => {
    const body = { id: '"inputs":', inputs: [{ ...input, parameters: { name: 'x', id: 'y' } }] };
    expect(readRequest({ bytes: text(body) }).id).toBe('"inputs":');
  });
});

describe('the binary extension', () => {
  const tensors = [
    { name: 'x', datatype: 'FP32' as const, shape: [1, 3], data: Float32Array.of(0.5, -1, 3) },
    { name: 'rows', datatype: 'INT64' as const, shape: [2], data: BigInt64Array.of(1n, -2n) },
  ];
  const message = writeBinaryRequest(tensors, { timeout: 1000 });
  const headerLength = message.headers['inference-header-content-length'];

  it('reads what it wrote', () => {
    const request = readRequest({ bytes: message.body, headerLength });
    expect(request.inputs).toEqual(tensors);
    expect(request.parameters).toEqual({ timeout: 1000, binary_data_output: true });
  });

  it('reads from a view that is not aligned', () => {
    const shifted = new Uint8Array(message.body.length + 1);
    shifted.set(message.body, 1);
    expect(readRequest({ bytes: shifted.subarray(1), headerLength }).inputs).toEqual(tensors);
  });

  it('refuses a header length that lies', () => {
    const lies = [
      String(Number(headerLength) + 1),
      String(Number(headerLength) - 1),
      '999999',
      '0',
      '-1',
      'x',
      '',
      '1e3',
    ];
    for (const lie of lies) {
      expect(
        codeOf(() => readRequest({ bytes: message.body, headerLength: lie })),
        lie,
      ).toBe('malformed_request');
    }
  });

  it('refuses a body that is cut short or has bytes to spare', () => {
    for (const bytes of [message.body.subarray(0, -1), Uint8Array.of(...message.body, 0)]) {
      expect(codeOf(() => readRequest({ bytes, headerLength }))).toBe('malformed_request');
    }
  });

  it('refuses a binary size that is not the shape of the tensor', () => {
    const json = text({
      inputs: [{ name: 'x', shape: [2], datatype: 'FP32', parameters: { binary_data_size: 4 } }],
    });
    const bytes = Uint8Array.of(...json, 0, 0, 0, 0);
    expect(codeOf(() => readRequest({ bytes, headerLength: String(json.length) }))).toBe('invalid_input');
  });
});

describe('answers', () => {
  const outputs = [
    { name: 'a', datatype: 'FP32' as const, shape: [2], data: Float32Array.of(1, 2) },
    { name: 'b', datatype: 'INT64' as const, shape: [1], data: BigInt64Array.of(9n) },
  ];

  it('are JSON where nobody asks for more', () => {
    const { body, headers } = writeResponse({ model_name: 'm', id: '1' }, outputs, () => false);
    expect(headers['content-type']).toBe('application/json');
    expect(JSON.parse(new TextDecoder().decode(body)).outputs[1].data).toEqual([9]);
    expect(readResponse({ bytes: body }).outputs).toEqual(outputs);
  });

  it('carry as raw bytes the tensors that were asked for so', () => {
    const { body, headers } = writeResponse({ model_name: 'm' }, outputs, (name) => name === 'b');
    const read = readResponse({ bytes: body, headerLength: headers['inference-header-content-length'] });
    expect(read.outputs).toEqual(outputs);
  });
});
