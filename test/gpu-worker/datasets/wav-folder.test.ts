import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectDatasetRows } from '../../../gpu-worker/datasets/dataset.ts';
import { loadWavFolder } from '../../../gpu-worker/datasets/wav-folder.ts';
import { wavFile } from '../../helpers/wav-file.ts';

let folder: string;
const options = { windowSamples: 4, sampleRate: 8_000 };
const write = async (name: string, file: Buffer) => {
  await mkdir(join(folder, name, '..'), { recursive: true });
  await writeFile(join(folder, name), file);
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nccr-guard-wav-'));
  await write('good/bea/2.wav', wavFile({ samples: [-32_768, 16_384, 0, 8_192] }));
  await write('good/bea/1.WAV', wavFile({ samples: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }));
  await write('good/bea/note.txt', Buffer.from('no recording'));
  await write('good/al/1.wav', wavFile({ samples: [0, 0, 0, 0, 9, 9] }));
  await write('good/al/short.wav', wavFile({ samples: [9, 9] }));
  await write('one/al/1.wav', wavFile({ samples: [1, 2, 3, 4] }));
  await write('broken/al/1.wav', wavFile({ samples: [1, 2, 3, 4] }));
  await write('broken/bea/1.wav', Buffer.from('RIFF'));
  await write('fast/al/1.wav', wavFile({ samples: [1, 2, 3, 4], sampleRate: 16_000 }));
  await write('fast/bea/1.wav', wavFile({ samples: [1, 2, 3, 4] }));
  await write('empty/al/1.wav', wavFile({ samples: [1, 2, 3, 4] }));
  await write('empty/bea/1.wav', wavFile({ samples: [1, 2] }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a folder of speakers', () => {
  it('becomes windows of each, in the order of names, that know their recording', async () => {
    const dataset = await loadWavFolder(join(folder, 'good'), options);
    expect(dataset).toMatchObject({ inputShape: [4], datatype: 'INT16' });
    expect([...dataset.labels]).toEqual([0, 1, 1, 1]);
    expect([...dataset.utterances!]).toEqual([0, 2, 2, 3]);
    const rows = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, -32_768, 16_384, 0, 8_192];
    expect([...dataset.inputs].map((value) => value * 32_768)).toEqual(rows);
    expect([...selectDatasetRows(dataset, [3, 0]).utterances!]).toEqual([3, 0]);
  });

  it('is brought to a loudness, silence but for', async () => {
    const { inputs } = await loadWavFolder(join(folder, 'good'), { ...options, loudness: 0.06 });
    const loudness = (row: number) => Math.hypot(...inputs.subarray(4 * row, 4 * row + 4)) / 2;
    expect(loudness(0)).toBe(0);
    for (const row of [1, 2, 3]) expect(loudness(row)).toBeCloseTo(0.06, 4);
    expect([...inputs].every((value) => Number.isInteger(value * 32_768))).toBe(true);
  });

  it.each([
    ['one', /1 folders of speakers; two are needed/],
    ['broken', /broken.bea.1\.wav: the recording is damaged/],
    ['fast', /16000 samples a second, the model reads 8000/],
    ['empty', /bea has no WAV file of 4 samples or more/],
    ['absent', /absent cannot be read/],
  ])('is refused: %s', async (name, message) => {
    const refusal = { code: 'invalid_dataset', message: expect.stringMatching(message) };
    await expect(loadWavFolder(join(folder, name), options)).rejects.toMatchObject(refusal);
  });
});
