// A TensorFlow.js model as one file: what is compiled, sent to threads and named by its digest, in place of a folder.
import { strFromU8, strToU8, unzipSync, type Zippable, zipSync } from 'fflate';
import { z } from 'zod';
import { compiledModelSchema } from '../../shared/contracts/extraction.ts';
import { transformSchema } from '../../shared/contracts/transform.ts';
import { GuardError } from '../../shared/errors.ts';

/** The files of a model by their paths within its folder. */
export type ModelFiles = ReadonlyMap<string, Uint8Array>;

/** What the guard adds to a model: as secret as the noise bank of a compiled graph. */
export const extractionPartSchema = z.strictObject({
  compiled: compiledModelSchema,
  /** The plan's transforms as they are run: those that the key drew where the plan names one. */
  transforms: z.array(transformSchema),
  /**
   * Whether `x` is [R, channels, height, width], as the graph of an ONNX model has it; otherwise it is as the model itself reads it. The
   * model in either case reads images with their channels last.
   */
  channels_first: z.boolean(),
});

export type ExtractionPart = z.infer<typeof extractionPartSchema>;

/** A model, and how it is perturbed and read; without that it is served as it is. */
export interface TfjsArchive {
  readonly files: ModelFiles;
  readonly extraction?: ExtractionPart;
  /** Row-major [rows, elements of x], images channel by channel; empty where the plan has no noise. */
  readonly noiseBank?: Float32Array<ArrayBuffer>;
}

const extractionPath = 'extraction.json';
const noisePath = 'noise.f32';
const modelFolder = 'model/';
/** The oldest time that the format knows: the same model gives the same bytes. */
const mtime = new Date(1980, 0, 1);

/** Writes the file; the same contents give the same bytes. */
export function writeArchive({ files, extraction, noiseBank }: TfjsArchive): Uint8Array<ArrayBuffer> {
  const entries: Zippable = {};
  if (extraction !== undefined) entries[extractionPath] = strToU8(JSON.stringify(extraction));
  if (noiseBank !== undefined) entries[noisePath] = new Uint8Array(noiseBank.buffer);
  for (const [path, bytes] of [...files].sort(([one], [other]) => (one < other ? -1 : 1))) {
    entries[`${modelFolder}${path}`] = bytes;
  }
  // Weights do not shrink, and a start should not wait for it.
  return zipSync(entries, { level: 0, mtime }) as Uint8Array<ArrayBuffer>;
}

/** Whether a file is of this format, by how it begins. */
export function isArchive(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/**
 * Reads the file.
 * @throws GuardError `invalid_model` where it is none
 */
export function readArchive(bytes: Uint8Array): TfjsArchive {
  if (!isArchive(bytes))
    throw new GuardError('invalid_model', 'not a TensorFlow.js model of `model compile`');
  const entries = unzip(bytes);
  const files = new Map(
    Object.entries(entries)
      .filter(([path]) => path.startsWith(modelFolder))
      .map(([path, content]) => [path.slice(modelFolder.length), content]),
  );
  // A SavedModel is unpacked into a folder, which no path may leave.
  const outside = [...files.keys()].find(
    (path) => path.startsWith('/') || path.split(/[\\/]/).includes('..'),
  );
  if (outside !== undefined) throw new GuardError('invalid_model', `the path ${outside} leaves the model`);
  if (!(extractionPath in entries)) return { files };
  const parsed = extractionPartSchema.safeParse(parseJson(strFromU8(entries[extractionPath])));
  if (!parsed.success) {
    throw new GuardError(
      'invalid_model',
      `the compiled model's description is wrong: ${parsed.error.message}`,
    );
  }
  const noise = entries[noisePath] ?? new Uint8Array(0);
  if (noise.length % 4 !== 0) throw new GuardError('invalid_model', 'the noise bank is cut off');
  // A copy, since floats start at multiples of four bytes and entries of a zip anywhere.
  return { files, extraction: parsed.data, noiseBank: new Float32Array(noise.slice().buffer) };
}

function unzip(bytes: Uint8Array): Record<string, Uint8Array> {
  try {
    return unzipSync(bytes);
  } catch (cause) {
    throw new GuardError('invalid_model', 'the file is damaged', { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GuardError('invalid_model', "the compiled model's description is not JSON", { cause });
  }
}
