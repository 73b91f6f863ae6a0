// Batches where the policy cuts bad rows out: what is forwarded, what is answered, and where the places stand.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { readRequest, readResponse } from '../../shared/oip/read-message.ts';
import { writeResponse } from '../../shared/oip/write-message.ts';
import type { Behaviour } from '../helpers/fixture-server.ts';
import {
  binaryBody,
  calmInput,
  guardedEdge,
  jsonBody,
  resetFixtures,
  restlessInput,
} from '../helpers/guarded-edge.ts';

const guarded = guardedEdge();
const other = calmInput.with(1, 0.5);
const rows = [restlessInput, calmInput, restlessInput, other];

/** A model whose one output is the second number of each row. */
const echoes: Behaviour = ({ body, headers }, response) => {
  const headerLength = headers[headerLengthHeader]?.toString();
  const { id, inputs, parameters } = readRequest({ bytes: body, headerLength });
  const [{ shape, data }] = inputs;
  const values = Float32Array.from({ length: shape[0] }, (_, row) => Number(data[row * 6 + 1]));
  const output = { name: 'y', datatype: 'FP32', shape: [shape[0], 1], data: values } as const;
  const binary = parameters.binary_data_output === true;
  const head = { model_name: 'enforce', ...(id === undefined ? {} : { id }), parameters: { kept: 1 } };
  const message = writeResponse(head, [output], () => binary);
  response.writeHead(200, { ...message.headers, 'content-length': message.body.length }).end(message.body);
};

beforeAll(async () => {
  const draft = JSON.stringify({ mode: 'enforce', batch: 'cut' });
  const saved = await guarded.call('/v1/policies/enforce', { method: 'PUT', body: draft });
  expect(saved.status).toBe(200);
  expect((await guarded.call('/v1/policies/enforce/versions', { method: 'POST' })).status).toBe(201);
  guarded.upstream.behaviour = echoes;
  // The policy of before may be known to the isolate for two seconds more.
  for (const endsAt = Date.now() + 20_000; (await send(jsonBody(rows))).status !== 200; ) {
    if (Date.now() > endsAt) throw new Error('the policy did not come into force');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}, 180_000);
beforeEach(() => {
  resetFixtures(guarded);
  guarded.upstream.behaviour = echoes;
});

function send(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
  return guarded.infer('enforce', body, headers);
}

function forwarded() {
  const [{ body, headers }] = guarded.upstream.received;
  return readRequest({ bytes: body, headerLength: headers[headerLengthHeader]?.toString() });
}

describe('a batch with bad rows', () => {
  it('is forwarded without them, and the answer in JSON names their places', async () => {
    const answer = await send(jsonBody(rows));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-guard-rows-cut')).toBe('0,2');
    expect(await answer.json()).toEqual({
      model_name: 'enforce',
      id: 'req-1',
      parameters: { guard_rows_cut: '0,2', kept: 1 },
      outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 1], data: [0.25, 0.5] }],
    });
    const { id, inputs } = forwarded();
    expect(id).toBe('req-1');
    expect(inputs[0].shape).toEqual([2, 1, 2, 3]);
    expect([...inputs[0].data]).toEqual([...calmInput, ...other]);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'block', enforced: true, rows_cut: [0, 2] });
    expect(verdict.rows.map((row) => row.verdict)).toEqual(['block', 'allow', 'block', 'allow']);
  });

  it('is, in the binary extension, forwarded and answered in it', async () => {
    const { body, headers } = binaryBody(rows);
    const answer = await send(body, headers);
    expect(answer.headers.get('x-guard-rows-cut')).toBe('0,2');
    const headerLength = answer.headers.get(headerLengthHeader);
    expect(headerLength).not.toBeNull();
    const { parameters, outputs } = readResponse({ bytes: await answer.bytes(), headerLength });
    expect(parameters).toEqual({ guard_rows_cut: '0,2', kept: 1 });
    expect([...outputs[0].data]).toEqual([0.25, 0.5]);
    expect([...forwarded().inputs[0].data]).toEqual([...calmInput, ...other]);
  });

  it('is refused where every row is bad, and where there is one', async () => {
    for (const bad of [[restlessInput], [restlessInput, restlessInput]]) {
      const answer = await send(jsonBody(bad));
      expect(answer.status).toBe(403);
      expect(answer.headers.get('x-guard-rows-cut')).toBeNull();
    }
    expect(guarded.upstream.received).toEqual([]);
  });

  it('passes byte for byte where no row is bad', async () => {
    const body = ` ${jsonBody([calmInput, other])}`;
    const answer = await send(body);
    expect(answer.headers.get('x-guard-rows-cut')).toBeNull();
    expect(await answer.json()).toMatchObject({ parameters: { kept: 1 } });
    expect(guarded.upstream.received[0].body.toString()).toBe(body);
  });

  it('has the places beside an error of the server too, which comes as it is', async () => {
    guarded.upstream.behaviour = (_request, response) => void response.writeHead(400).end('{"error":"no"}');
    const answer = await send(jsonBody(rows));
    expect(answer.status).toBe(400);
    expect(answer.headers.get('x-guard-rows-cut')).toBe('0,2');
    expect(await answer.text()).toBe('{"error":"no"}');
  });
});
