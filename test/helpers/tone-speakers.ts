// A small speaker model over waveforms and the voices that it knows: chords of three tones, each voice with its own one loudest.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { normal, seededRandom } from '../../shared/maths/random.ts';
import { drawn, writeNet } from '../gpu-worker/onnx/zoo/layers.ts';
import { wavFile } from './wav-file.ts';

/** Samples of a window, and a second. */
export const toneSamples = 400;
export const toneRate = 8_000;
const tones = [500, 1_000, 2_000];
const kernel = 32;

/** `input [batch, 400]` to `scores [batch, 3]`: how loud each tone is, by cosines and sines, half-wave rectified. */
export function toneNet(): Uint8Array<ArrayBuffer> {
  return writeNet({ shape: ['batch', toneSamples], classes: 3 }, (net, input) => {
    const { graph } = net;
    const wave = graph.op('Unsqueeze', [input, graph.ints([1])]);
    const waves = tones.flatMap((tone) =>
      [0, 0.5, 1, 1.5].map((turn) =>
        Array.from({ length: kernel }, (_, at) =>
          Math.cos((2 * Math.PI * tone * at) / toneRate + turn * Math.PI),
        ),
      ),
    );
    const filters = graph.floats([waves.length, 1, kernel], waves.flat());
    const found = graph.op('Conv', [wave, filters], { kernel_shape: [kernel], strides: [3] });
    const loud = graph.op('ReduceMean', [graph.op('Relu', [found])], { axes: [2], keepdims: 0 });
    const sums = waves.flatMap((_, index) =>
      tones.map((__, tone) => (Math.floor(index / 4) === tone ? 5 : 0)),
    );
    const scores = graph.op('MatMul', [loud, graph.floats([waves.length, tones.length], sums)]);
    return graph.op('Add', [scores, drawn(net, [3], 0.001)]);
  });
}

/** Windows [count, 400] of voices in turn, int16 as a file has them, and who speaks. */
export function toneWindows(count: number, seed: number): { samples: Int16Array; speakers: number[] } {
  const random = seededRandom(seed);
  const samples = new Int16Array(count * toneSamples);
  const speakers = Array.from({ length: count }, (_, row) => row % tones.length);
  for (const [row, speaker] of speakers.entries()) {
    const parts = tones.map((tone, index) => ({
      step: (2 * Math.PI * tone) / toneRate,
      phase: 2 * Math.PI * random(),
      size: (index === speaker ? 0.06 : 0.045) + 0.002 * normal(random),
    }));
    for (let at = 0; at < toneSamples; at++) {
      const value = parts.reduce((sum, { step, phase, size }) => sum + size * Math.sin(step * at + phase), 0);
      samples[row * toneSamples + at] = Math.round(32_768 * (value + 0.0005 * normal(random)));
    }
  }
  return { samples, speakers };
}

/** Writes `FOLDER/voice-K/N.wav`: recordings of two windows and a rest that is too short for a third. */
export async function writeToneFolder(folder: string, windows: number, seed: number): Promise<void> {
  const { samples, speakers } = toneWindows(windows, seed);
  for (let speaker = 0; speaker < tones.length; speaker++) {
    const own = speakers.flatMap((who, row) => (who === speaker ? [row] : []));
    const place = join(folder, `voice-${speaker}`);
    await mkdir(place, { recursive: true });
    for (let first = 0; first + 1 < own.length; first += 2) {
      const recording = own
        .slice(first, first + 2)
        .flatMap((row) => [...samples.subarray(row * toneSamples, (row + 1) * toneSamples)]);
      const file = wavFile({ sampleRate: toneRate, samples: [...recording, ...new Int16Array(100)] });
      await writeFile(join(place, `${String(first).padStart(4, '0')}.wav`), file);
    }
  }
}
