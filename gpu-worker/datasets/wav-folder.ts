// A folder of speakers, each a folder of WAV files, as windows of the length that a model reads.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GuardError } from '../../shared/errors.ts';
import { decodeWav } from '../media/decode-wav.ts';
import type { Dataset } from './dataset.ts';

/** How recordings are cut. */
export interface WavFolderOptions {
  /** Samples of a window. */
  readonly windowSamples: number;
  /** Samples a second; a file of another rate is refused. */
  readonly sampleRate: number;
  /** Root mean square that every window is brought to; as recorded where it is not given. */
  readonly loudness?: number | undefined;
}

/** Windows that are kept of one folder: 20,000 of 8,000 samples take 0.6 GB. */
const elementsMax = 256 * 1024 * 1024;

/**
 * Loads `FOLDER/SPEAKER/*.wav`: speakers are the classes, in the order of their names, and a file is one utterance, cut into
 * windows that follow each other. What is left at its end, or all of a file shorter than a window, is left out; several
 * channels are averaged.
 * @returns inputs [windows, windowSamples] in [-1, 1], rounded to 16 bits where the loudness changes them
 * @throws GuardError `invalid_dataset` where there are fewer than two speakers, a file cannot be read or no window is left of a speaker
 */
export async function loadWavFolder(folder: string, options: WavFolderOptions): Promise<Dataset> {
  const speakers = await foldersOf(folder);
  if (speakers.length < 2) {
    throw invalid(`${folder} has ${speakers.length} folders of speakers; two are needed`);
  }
  const windows: Float32Array[] = [];
  const labels: number[] = [];
  const utterances: number[] = [];
  let utterance = 0;
  for (const [label, speaker] of speakers.entries()) {
    const before = windows.length;
    for (const file of await recordingsOf(join(folder, speaker))) {
      for (const window of windowsOf(await readRecording(file, options), options)) {
        windows.push(window);
        labels.push(label);
        utterances.push(utterance);
      }
      utterance++;
      if (windows.length * options.windowSamples > elementsMax) {
        throw invalid(`${folder} has more than ${elementsMax} samples`);
      }
    }
    if (windows.length === before) {
      throw invalid(`${join(folder, speaker)} has no WAV file of ${options.windowSamples} samples or more`);
    }
  }
  const inputs = new Float32Array(windows.length * options.windowSamples);
  for (const [row, window] of windows.entries()) inputs.set(window, row * options.windowSamples);
  return {
    name: `wav/${folder}`,
    inputs,
    inputShape: [options.windowSamples],
    labels: Int32Array.from(labels),
    datatype: 'INT16',
    utterances: Int32Array.from(utterances),
  };
}

async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw invalid(`${folder} cannot be read`, cause);
  });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

async function recordingsOf(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => name.toLowerCase().endsWith('.wav'))
    .sort()
    .map((name) => join(folder, name));
}

/** @throws GuardError `invalid_dataset`: here a damaged file is no client's fault */
async function readRecording(path: string, { sampleRate }: WavFolderOptions): Promise<Float32Array> {
  const bytes = await readFile(path);
  try {
    return decodeWav(bytes, { channels: 1, samples: undefined, sampleRate, mixDown: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`${path}: ${reason}`, cause);
  }
}

/** Windows that hold anything, one after the other. */
function windowsOf(recording: Float32Array, { windowSamples, loudness }: WavFolderOptions): Float32Array[] {
  const windows: Float32Array[] = [];
  for (let start = 0; start + windowSamples <= recording.length; start += windowSamples) {
    const window = recording.slice(start, start + windowSamples);
    windows.push(loudness === undefined ? window : withLoudness(window, loudness));
  }
  return windows;
}

/** Brings a window to a root mean square; silence stays silence. */
function withLoudness(window: Float32Array, loudness: number): Float32Array {
  const own = Math.sqrt(window.reduce((sum, value) => sum + value * value, 0) / window.length);
  const steps = 2 ** 15;
  const factor = own === 0 ? 1 : loudness / own;
  return window.map((value) =>
    Math.min((steps - 1) / steps, Math.max(-1, Math.round(value * factor * steps) / steps)),
  );
}

function invalid(detail: string, cause?: unknown): GuardError {
  return new GuardError('invalid_dataset', detail, { cause });
}
