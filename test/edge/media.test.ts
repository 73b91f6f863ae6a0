// Images and recordings sent as they are: decoded once, scored and forwarded as the same tensor.
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import type { AuditPageBody } from '../../shared/contracts/audit.ts';
import { readRequest } from '../../shared/oip/read-message.ts';
import { writeResponse } from '../../shared/oip/write-message.ts';
import {
  apiToken,
  calmInput,
  guardedEdge,
  inputShape,
  modes,
  resetFixtures,
  restlessInput,
  upstreamBody,
} from '../helpers/guarded-edge.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';
import { wavFile } from '../helpers/wav-file.ts';

const image = { width: 28, height: 28, channels: 1 } as const;
const pixels = Buffer.from(drawDigit(3, 1).map((value) => Math.round(value * 255)));
const digit = () => sharp(pixels, { raw: image }).toColourspace('b-w');

describe('an image for a real model', () => {
  let guard: LenetEdge;
  beforeAll(async () => {
    guard = await startLenetEdge({ mode: 'enforce', threshold: 1e6 });
  }, 120_000);
  afterAll(() => guard?.stop());

  const send = (
    body: Uint8Array,
    type = 'image/png',
    { path = `/v2/models/${guard.name}/infer`, coding = '' } = {},
  ) =>
    fetch(new URL(path, guard.edge.url), {
      method: 'POST',
      body: Buffer.from(body),
      headers: {
        authorization: `Bearer ${apiToken}`,
        'content-type': type,
        'x-custom': 'kept',
        ...(coding === '' ? {} : { 'content-encoding': coding }),
      },
    });

  async function untilAudited(id: string | null): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      const answer = await guard.call(`/v1/verdicts/${id}`);
      if (answer.status === 200 || attempt === 100) return answer;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('reaches its server as the tensor that was scored, and the answer comes as it is', async () => {
    const png = await digit().png().toBuffer();
    const answer = await send(png);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.bytes())).toEqual(upstreamBody);
    const { headers, body } = guard.upstream.received.at(-1)!;
    expect(headers).toMatchObject({ 'content-type': 'application/octet-stream', 'x-custom': 'kept' });
    const headerLength = String(headers['inference-header-content-length']);
    const { inputs, parameters } = readRequest({ bytes: body, headerLength });
    expect(parameters).toEqual({});
    expect(inputs).toHaveLength(1);
    expect(inputs[0]).toMatchObject({ name: guard.inputName, datatype: 'FP32', shape: [1, 1, 28, 28] });
    const values = inputs[0].data as Float32Array;
    expect([...values]).toEqual([...pixels].map((byte) => Math.fround(byte / 255)));

    const verdict = (await (await untilAudited(answer.headers.get('x-guard-verdict-id'))).json()) as {
      id: string;
      rows: { input_digest: string; score: number }[];
    };
    const input = { name: guard.inputName, shape: [1, 1, 28, 28], datatype: 'FP32', data: [...values] };
    const asked = await guard.call(`/v1/guard/verdicts?model=${guard.name}`, {
      method: 'POST',
      body: JSON.stringify({ inputs: [input] }),
    });
    const plain = (await asked.json()) as typeof verdict;
    expect(plain.rows.map(({ input_digest, score }) => ({ input_digest, score }))).toEqual(
      verdict.rows.map(({ input_digest, score }) => ({ input_digest, score })),
    );
    const judged = await send(png, 'image/png', { path: `/v1/guard/verdicts?model=${guard.name}` });
    expect(((await judged.json()) as typeof verdict).rows[0].score).toBe(verdict.rows[0].score);
    const replayed = await send(png, 'image/png', { path: `/v1/verdicts/${verdict.id}/replay` });
    expect(await replayed.json()).toMatchObject({ matches: true });
  });

  it('may be a JPEG', async () => {
    expect((await send(await digit().jpeg().toBuffer(), 'image/jpeg')).status).toBe(200);
  });

  it('is refused by what is wrong with it, and never reaches the server', async () => {
    guard.upstream.received.length = 0;
    const png = await digit().png().toBuffer();
    const huge = await sharp({ create: { width: 5_000, height: 5_000, channels: 3, background: 'black' } })
      .png()
      .toBuffer();
    for (const [what, status, body, type, coding] of [
      ['another size', 422, await digit().resize(27, 28).png().toBuffer(), 'image/png', ''],
      ['other channels', 422, await digit().toColourspace('srgb').png().toBuffer(), 'image/png', ''],
      ['a file cut short', 400, png.subarray(0, png.length - 20), 'image/png', ''],
      ['an empty body', 400, new Uint8Array(0), 'image/jpeg', ''],
      ['more pixels than are decoded', 413, huge, 'image/png', ''],
      ['a recording', 415, wavFile({ samples: [0] }), 'audio/wav', ''],
      ['another format', 415, png, 'image/webp', ''],
      ['a compressed body', 415, png, 'image/png', 'gzip'],
      [
        'one colour throughout',
        422,
        await sharp(Buffer.alloc(784), { raw: image }).toColourspace('b-w').png().toBuffer(),
        'image/png',
        '',
      ],
    ] as const) {
      const answer = await send(body, type, { coding });
      expect(answer.status, what).toBe(status);
      expect(await answer.json(), what).toMatchObject({ error: expect.any(String) });
    }
    expect(guard.upstream.received).toEqual([]);
  });
});

describe('a file', () => {
  const models = modes.map((mode) => {
    const audio = { sample_rate: 16_000, mix_down: true };
    return { name: mode, mode, artefact: `detectors/${mode}.json`, audio };
  });
  const guarded = guardedEdge({ bindings: { GUARD_MODELS: JSON.stringify(models) } });
  beforeEach(() => resetFixtures(guarded));
  const wav = wavFile({ samples: [0, 1] });
  const send = (mode: string) => guarded.infer(mode, Uint8Array.from(wav), { 'content-type': 'audio/wav' });

  const askVerdict = (mode: string, headers: Record<string, string> = {}) =>
    guarded.call(`/v1/guard/verdicts?model=${mode}`, {
      method: 'POST',
      body: Uint8Array.from(wav),
      headers: { 'content-type': 'audio/wav', ...headers },
    });
  const fileDigest = `sha256:${createHash('sha256').update(wav).digest('hex')}`;
  const digestOf = async (model: string, id: string | null) => {
    const page = (await (await guarded.call(`/v1/verdicts?model=${model}`)).json()) as AuditPageBody;
    return page.verdicts.find(({ verdict }) => verdict.id === id)?.request_digest;
  };

  /** Decodes whatever comes to one input, and extracts as usual. */
  function decodesTo(input: readonly number[], shape = [1, ...inputShape]): void {
    const usual = guarded.extractor.behaviour;
    guarded.extractor.behaviour = (request, response) => {
      if (!request.path.includes('/decode')) return usual(request, response);
      const tensor = { name: 'input', datatype: 'FP32', shape, data: Float32Array.from(input) } as const;
      const model_name = /models\/(\w+)\//.exec(request.path)![1];
      const { body, headers } = writeResponse({ model_name }, [tensor], () => true);
      response.writeHead(200, { ...headers }).end(body);
    };
  }

  it.each(modes)('is decoded once in mode %s, at the rate that is configured', async (mode) => {
    decodesTo(calmInput);
    const answer = await send(mode);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.bytes())).toEqual(upstreamBody);
    // What mode shadow asks for behind its answer may come as late as in the next test.
    const [decoding, ...others] = guarded.extractor.received.filter(({ path }) => path.includes('/decode'));
    expect(decoding.path).toBe(`/v2/models/${mode}/decode?sample_rate=16000&mix_down=true`);
    expect(decoding.headers['content-type']).toBe('audio/wav');
    expect(decoding.body).toEqual(wav);
    expect(others).toEqual([]);
    const { body, headers } = guarded.upstream.received[0];
    const headerLength = String(headers['inference-header-content-length']);
    expect([...readRequest({ bytes: body, headerLength }).inputs[0].data]).toEqual(calmInput);
  });

  it('is blocked as its tensor would be', async () => {
    decodesTo(restlessInput);
    expect((await send('enforce')).status).toBe(403);
    expect(guarded.upstream.received).toEqual([]);
  });

  it('that decodes to what the model does not read is refused where the guard enforces', async () => {
    decodesTo(calmInput, [1, 6]);
    expect((await send('enforce')).status).toBe(422);
    expect(guarded.upstream.received).toEqual([]);
  });

  it('that is damaged is audited as an input that was not scored, and refused in shadow too', async () => {
    guarded.extractor.behaviour = (_request, response) => {
      const problem = { type: '', title: '', status: 400, detail: 'damaged', code: 'x', error: 'damaged' };
      response.writeHead(400).end(JSON.stringify(problem));
    };
    for (const mode of ['shadow', 'enforce']) {
      const answer = await send(mode);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ code: 'malformed_request', detail: 'damaged' });
      const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
      expect(verdict).toMatchObject({ verdict: 'not_scored', enforced: true });
      expect(verdict.failure).toMatchObject({ class: 'unsupported_input' });
    }
    expect(guarded.upstream.received).toEqual([]);
  });

  it('that is damaged is audited where only a verdict was asked for, with the digest of what was sent', async () => {
    guarded.extractor.behaviour = (_request, response) => {
      const problem = { type: '', title: '', status: 400, detail: 'damaged', code: 'x', error: 'damaged' };
      response.writeHead(400).end(JSON.stringify(problem));
    };
    for (const mode of modes) {
      const answer = await askVerdict(mode);
      expect(answer.status).toBe(400);
      expect(answer.headers.get('x-guard-mode')).toBe(mode);
      const id = answer.headers.get('x-guard-verdict-id');
      const verdict = await guarded.audited(id);
      expect(verdict).toMatchObject({ verdict: 'not_scored', enforced: false, mode });
      expect(await digestOf(mode, id)).toBe(fileDigest);
    }
  });

  it('is audited with the digest of what was sent where it is judged', async () => {
    decodesTo(calmInput);
    const answer = await send('enforce');
    const id = answer.headers.get('x-guard-verdict-id');
    await guarded.audited(id);
    expect(await digestOf('enforce', id)).toBe(fileDigest);
  });

  it('has one time for decoding and verdict, and a client that waits for it may give less', async () => {
    decodesTo(calmInput);
    const usual = guarded.extractor.behaviour;
    // Each alone is within the guard's two seconds.
    guarded.extractor.behaviour = (request, response) =>
      void setTimeout(() => usual(request, response), 1_300);
    for (const answer of [send('enforce'), askVerdict('shadow')]) {
      expect((await answer).status).toBe(504);
      expect(await (await answer).json()).toMatchObject({ code: 'deadline_exceeded' });
    }
    guarded.extractor.received.length = 0;
    const hurried = await askVerdict('shadow', { 'x-guard-timeout-ms': '300' });
    expect(await hurried.json()).toMatchObject({ code: 'client_deadline_exceeded' });
    expect(guarded.extractor.received.map(({ path }) => path.includes('/decode'))).toEqual([true]);
  });

  it('is answered with an error in every mode where it cannot be decoded', async () => {
    for (const [status, expected, code] of [
      [503, 503, 'overloaded'],
      [401, 503, 'extractor_unauthorized'],
      [404, 503, 'detector_unavailable'],
    ] as const) {
      guarded.extractor.behaviour = (_request, response) => void response.writeHead(status).end();
      for (const mode of modes) {
        const answer = await send(mode);
        expect(answer.status).toBe(expected);
        expect(await answer.json()).toMatchObject({ code });
      }
    }
    guarded.extractor.behaviour = (_request, response) => void response.writeHead(200).end('nonsense');
    expect(await (await send('off')).json()).toMatchObject({ code: 'bad_extractor_reply' });
    expect(guarded.upstream.received).toEqual([]);
  });
});
