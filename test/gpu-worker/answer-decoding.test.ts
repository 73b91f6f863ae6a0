// Files decoded to a model's own input: images and recordings, and every refusal by its status.
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createOipApp } from '../../gpu-worker/app.ts';
import type { LoadedModel } from '../../gpu-worker/engine/engine.ts';
import type { MediaInput } from '../../gpu-worker/media/decode-media.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { wavFile } from '../helpers/wav-file.ts';

const loaded: LoadedModel = {
  inputs: [],
  outputs: [],
  run: async () => ({}),
  release: async () => undefined,
};
const picture = { name: 'pixels', shape: [3, 2, 2], range: [-1, 1] } as const;
const sound = { name: 'samples', shape: [3], range: [-1, 1] } as const;
const bytes = Buffer.from([0, 51, 102, 153, 204, 255, 255, 204, 153, 102, 51, 0]);
const image = (side = 2) => sharp(bytes, { raw: { width: 2, height: 2, channels: 3 } }).resize(side, side);

function decode(
  file: Uint8Array,
  type: string,
  { media, query = '' }: { media?: MediaInput; query?: string },
) {
  const model = { name: 'm', version: '1', loaded, parameters: {}, rowByRow: true };
  const app = createOipApp({
    name: 'gpu-worker',
    version: '0',
    engine: { id: 'ort-cpu', device: 'none', workers: 1 },
    models: [media === undefined ? model : { ...model, media }],
    deadlineMs: 1_000,
  });
  const init = { method: 'POST', body: Buffer.from(file), headers: { 'content-type': type } };
  return app.request(`/v2/models/m/decode${query}`, init);
}

async function decoded(answer: Response) {
  expect(answer.status).toBe(200);
  const headerLength = answer.headers.get('inference-header-content-length');
  const { outputs, model_name } = readResponse({
    bytes: new Uint8Array(await answer.arrayBuffer()),
    headerLength,
  });
  expect(model_name).toBe('m');
  return outputs[0];
}

describe('a file', () => {
  it('of an image becomes one row in the range of the model, channels first', async () => {
    const tensor = await decoded(
      await decode(await image().png().toBuffer(), 'image/png', { media: picture }),
    );
    expect(tensor).toMatchObject({ name: 'pixels', datatype: 'FP32', shape: [1, 3, 2, 2] });
    const planes = [0, 153, 255, 102, 51, 204, 204, 51, 102, 255, 153, 0];
    expect([...tensor.data]).toEqual(planes.map((byte) => Math.fround(-1 + (byte / 255) * 2)));
  });

  it('of a recording becomes one row at the rate that is asked for', async () => {
    const file = wavFile({ samples: [0, 16_384, -32_768] });
    for (const [media, query, shape] of [
      [sound, '?sample_rate=8000', [1, 3]],
      [{ ...sound, shape: [1, 3] }, '?sample_rate=8000&mix_down=true', [1, 1, 3]],
    ] as const) {
      const tensor = await decoded(await decode(file, 'audio/wav', { media, query }));
      expect(tensor).toMatchObject({ name: 'samples', shape });
      expect([...tensor.data]).toEqual([0, 0.5, -1]);
    }
    const ranged = { ...sound, range: [0, 1] } as const;
    const tensor = await decoded(
      await decode(file, 'audio/x-wav', { media: ranged, query: '?sample_rate=8000' }),
    );
    expect([...tensor.data]).toEqual([0.5, 0.75, 0]);
  });

  it('is refused by what is wrong with it', async () => {
    const png = await image().png().toBuffer();
    const huge = await sharp({ create: { width: 5_000, height: 5_000, channels: 3, background: 'black' } })
      .png()
      .toBuffer();
    const wav = wavFile({ samples: [0, 0, 0] });
    const rate = '?sample_rate=8000';
    for (const [what, status, file, type, options] of [
      ['an image of another size', 422, await image(3).png().toBuffer(), 'image/png', { media: picture }],
      ['other channels', 422, await image().ensureAlpha().png().toBuffer(), 'image/png', { media: picture }],
      ['an image cut short', 400, png.subarray(0, png.length - 20), 'image/png', { media: picture }],
      ['no image', 400, wav, 'image/png', { media: picture }],
      ['more pixels than are decoded', 413, huge, 'image/png', { media: picture }],
      ['an image where sound is read', 415, png, 'image/png', { media: sound }],
      ['sound where images are read', 415, wav, 'audio/wav', { media: picture, query: rate }],
      ['a type that is not decoded', 415, png, 'image/webp', { media: picture }],
      ['a model that has no input of its own', 415, png, 'image/png', {}],
      ['a recording whose rate nobody says', 415, wav, 'audio/wav', { media: sound }],
      ['a recording of another rate', 422, wav, 'audio/wav', { media: sound, query: '?sample_rate=44100' }],
      ['no recording', 400, png, 'audio/wav', { media: sound, query: rate }],
      ['a query that is not known', 400, wav, 'audio/wav', { media: sound, query: `${rate}&x=1` }],
      ['a rate that is no number', 400, wav, 'audio/wav', { media: sound, query: '?sample_rate=x' }],
    ] as const) {
      const answer = await decode(file, type, options);
      expect(answer.status, what).toBe(status);
      problemSchema.parse(await answer.json());
    }
  });
});
