// Rows cut out of a request, and their places marked in its answer.
import { describe, expect, it } from 'vitest';
import { cutRequest, markCut, rewritten, rowsToCut } from '../../../edge/guard/cut-rows.ts';
import type { RowVerdict } from '../../../shared/contracts/verdict.ts';
import { GuardError } from '../../../shared/errors.ts';
import { readRequest, readResponse } from '../../../shared/oip/read-message.ts';
import { writeRequest, writeResponse } from '../../../shared/oip/write-message.ts';

const oip = { protocol: 'open-inference' } as const;
const input = {
  name: 'x',
  datatype: 'FP32',
  shape: [3, 2],
  data: Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
} as const;
const head = {
  id: 'a',
  parameters: { priority: 1 },
  outputs: [{ name: 'y', parameters: { binary_data: true } }],
};

function verdicts(...kinds: RowVerdict['verdict'][]): { rows: RowVerdict[] } {
  const input_digest = `sha256:${'0'.repeat(64)}`;
  return { rows: kinds.map((verdict, row) => ({ row, verdict, score: 0, input_digest })) };
}

describe('rowsToCut', () => {
  it('names the blocked rows where others are left', () => {
    expect(rowsToCut(verdicts('allow', 'block', 'flag', 'block'))).toEqual([1, 3]);
  });

  it('names none where nothing is blocked, or everything', () => {
    expect(rowsToCut(verdicts('allow', 'flag'))).toBeUndefined();
    expect(rowsToCut(verdicts('block'))).toBeUndefined();
    expect(rowsToCut(verdicts('block', 'block'))).toBeUndefined();
    expect(rowsToCut(verdicts())).toBeUndefined();
  });
});

describe('cutRequest', () => {
  it.each([true, false])(
    'keeps the form, the id, the parameters and what is asked for (binary: %s)',
    (binary) => {
      const { body, headers } = writeRequest(head, [input], { binary });
      const sent = new Headers({ ...headers, 'x-custom': 'kept' });
      const cut = cutRequest({ model: oip, body, headers: sent }, [1]);
      const headerLength = cut.headers.get('inference-header-content-length');
      expect(headerLength !== null).toBe(binary);
      expect(cut.headers.get('content-type')).toBe(headers['content-type']);
      expect(cut.headers.get('x-custom')).toBe('kept');
      const read = readRequest({ bytes: cut.body, headerLength });
      expect(read).toMatchObject(head);
      expect(read.inputs).toEqual([{ ...input, shape: [2, 2], data: Float32Array.of(0.1, 0.2, 0.5, 0.6) }]);
    },
  );
});

describe('markCut', () => {
  const outputs = [{ ...input, name: 'y', shape: [2, 3] }];
  const answerOf = (binary: boolean, parameters = {}) => {
    const { body, headers } = writeResponse({ model_name: 'm', id: 'a', parameters }, outputs, () => binary);
    return new Response(body, {
      headers: { ...headers, 'content-length': String(body.length), etag: '"e"' },
    });
  };
  const mark = (answer: Response) => markCut(answer, { cut: [0, 2], ...oip });

  it.each([true, false])('says the places beside what the model said (binary: %s)', async (binary) => {
    const marked = await mark(answerOf(binary, { speed: 3 }));
    expect(marked.headers.get('x-guard-rows-cut')).toBe('0,2');
    expect(marked.headers.get('content-length')).toBeNull();
    expect(marked.headers.get('etag')).toBeNull();
    const headerLength = marked.headers.get('inference-header-content-length');
    const read = readResponse({ bytes: new Uint8Array(await marked.arrayBuffer()), headerLength });
    expect(read.parameters).toEqual({ speed: 3, guard_rows_cut: '0,2' });
    expect(read).toMatchObject({ model_name: 'm', id: 'a', outputs });
  });

  it('says them in an answer of TensorFlow Serving as a member of its own', async () => {
    const answer = Response.json({ predictions: [[1]] });
    const marked = await markCut(answer, { cut: [1], protocol: 'tensorflow-serving' });
    expect(await marked.json()).toEqual({ guard_rows_cut: '1', predictions: [[1]] });
  });

  it.each([
    ['an error', new Response('{"error":"no"}', { status: 400 }), '{"error":"no"}'],
    ['no JSON', new Response('no'), 'no'],
    [
      'a JSON part that is cut short',
      new Response('{"a":1}', { headers: { 'inference-header-content-length': '3' } }),
      '{"a":1}',
    ],
  ])('passes %s on as it is, with the header', async (_, answer, text) => {
    const marked = await mark(answer);
    expect(marked.headers.get('x-guard-rows-cut')).toBe('0,2');
    expect(await marked.text()).toBe(text);
    expect(marked.status).toBe(answer.status);
  });

  it('refuses an answer that is larger than can be marked', async () => {
    const large = new Response(new Uint8Array(16 * 1024 * 1024 + 1));
    await expect(mark(large)).rejects.toMatchObject({ code: 'upstream_unreachable' });
  });

  it.each([
    ['stands still', new GuardError('upstream_timeout', 'the answer stood still'), 'upstream_timeout'],
    ['breaks off', new TypeError('terminated'), 'upstream_unreachable'],
  ])('refuses an answer that %s, as its head was not sent', async (_, cause, code) => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"outputs":'));
      },
      pull: (controller) => controller.error(cause),
    });
    await expect(mark(new Response(body))).rejects.toMatchObject({ code });
  });
});

it('leaves no digest of the bytes that a client sent beside others', () => {
  const headers = new Headers({
    'content-digest': 'sha-256=:AA==:',
    digest: 'x',
    'content-md5': 'y',
    kept: '1',
  });
  const { headers: sent } = rewritten(headers, writeRequest({}, [input], { binary: true }));
  expect([...sent.keys()].sort()).toEqual(['content-type', 'inference-header-content-length', 'kept']);
});
