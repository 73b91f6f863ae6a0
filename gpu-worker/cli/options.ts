// Options that several commands share: how they are spelt, parsed and refused.
import { type Command, InvalidArgumentError } from 'commander';
import { type DetectorArtefact, detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { GuardError } from '../../shared/errors.ts';
import { isCifarSplit, loadCifarFolder } from '../datasets/cifar-binary.ts';
import { type Dataset, requireRows, selectDatasetRows } from '../datasets/dataset.ts';
import {
  defaultArrayNames,
  type ForeignExamples,
  loadForeignExamples,
  loadNpzDataset,
} from '../datasets/foreign-examples.ts';
import { loadIdxFolder } from '../datasets/idx.ts';
import { type Layout, layouts } from '../datasets/image-array.ts';
import { drawDigits } from '../datasets/synthetic-digits.ts';
import { loadWavFolder } from '../datasets/wav-folder.ts';
import { readJson } from './read-file.ts';

/** How a data set is named, as options spell it. */
export interface DatasetOptions {
  readonly dataset: string;
  readonly split: string;
  readonly layout?: Layout;
  readonly inputsArray?: string | undefined;
  readonly labelsArray?: string | undefined;
  readonly rows?: readonly [first: number, last: number] | undefined;
  readonly windowSamples?: number;
  readonly sampleRate?: number;
  readonly loudness?: number;
}

/** Adds the options that name a data set. */
export function addDatasetOptions(command: Command, split: string): Command {
  return command
    .requiredOption(
      '--dataset <source>',
      'idx:FOLDER (MNIST), cifar10:FOLDER (its binary version), npz:FILE (NumPy), wav:FOLDER (folders of speakers), or synthetic-digits:COUNT for digits drawn here',
    )
    .option('--split <prefix>', 'prefix of the IDX files; train or test of the others', split)
    .option(
      '--layout <layout>',
      'of an npz array: nchw (channels first) or nhwc (last)',
      oneOf(layouts),
      'nchw',
    )
    .option(
      '--inputs-array <name>',
      'npz array of the inputs, float32, uint8 or int16',
      defaultArrayNames.inputs,
    )
    .option('--labels-array <name>', 'npz array of the labels', defaultArrayNames.labels)
    .option(
      '--rows <first-last>',
      'rows of the source from 0, both ends included: parts of one source stay apart',
      rowRange,
    )
    .option('--sample-rate <rate>', 'samples a second of WAV files; 8000 by default', positiveInteger)
    .option(
      '--window-samples <count>',
      'samples that a WAV file is cut into, as the model reads them; by default a second',
      positiveInteger,
    )
    .option(
      '--loudness <rms>',
      'root mean square that every window of a WAV file is brought to; as recorded by default',
      positiveNumber,
    );
}

/**
 * Loads the data set that the options name, or the part of it.
 * @throws GuardError `invalid_dataset`
 */
export async function datasetOfOptions(options: DatasetOptions): Promise<Dataset> {
  const whole = await loadDataset(options);
  if (options.rows === undefined) return whole;
  const [first, last] = options.rows;
  requireRows(whole, last + 1);
  const rows = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return { ...selectDatasetRows(whole, rows), name: `${whole.name} rows ${first}-${last}` };
}

async function loadDataset(options: DatasetOptions): Promise<Dataset> {
  const { dataset, split, layout = 'nchw' } = options;
  const [kind, rest] = splitOnce(dataset);
  if (kind === 'idx' && rest !== '') return loadIdxFolder(rest, split);
  if (kind === 'cifar10' && rest !== '') {
    if (isCifarSplit(split)) return loadCifarFolder(rest, split);
    throw new GuardError('invalid_dataset', `CIFAR-10 has the splits train and test, not ${split}`);
  }
  if (kind === 'npz' && rest !== '') {
    const { inputsArray = defaultArrayNames.inputs, labelsArray = defaultArrayNames.labels } = options;
    return loadNpzDataset(rest, { layout, arrays: { inputs: inputsArray, labels: labelsArray } });
  }
  if (kind === 'wav' && rest !== '') {
    const { sampleRate = 8000, windowSamples = sampleRate, loudness } = options;
    return loadWavFolder(rest, { sampleRate, windowSamples, loudness });
  }
  if (kind === 'synthetic-digits' && /^[1-9]\d{0,5}$/.test(rest)) {
    // The splits draw from seeds that never meet.
    return drawDigits(Number(rest), split === 'train' ? 1_000_000 : 2_000_000);
  }
  throw new GuardError(
    'invalid_dataset',
    `${dataset} is neither idx:FOLDER, cifar10:FOLDER, npz:FILE, wav:FOLDER nor synthetic-digits:COUNT`,
  );
}

/** Adds the option that names examples of other tools. */
export function addForeignOption(command: Command): Command {
  return command.option(
    '--adversarial <file>',
    'examples of Foolbox, ART or AutoAttack as .npz (x, optional y and ok) or .npy; may be repeated',
    collect,
  );
}

/**
 * Loads the foreign examples that the options name.
 * @throws GuardError `invalid_dataset`
 */
export async function foreignOfOptions(
  {
    adversarial = [],
    layout = 'nchw',
  }: { readonly adversarial?: readonly string[]; readonly layout?: Layout },
  model: { readonly inputShape: readonly number[]; readonly range: readonly [number, number] },
): Promise<ForeignExamples[]> {
  return Promise.all(adversarial.map((path) => loadForeignExamples(path, { layout, ...model })));
}

/**
 * Reads a detector artefact from a file.
 * @throws GuardError `invalid_artefact` where it is none
 */
export function readArtefact(path: string): Promise<DetectorArtefact> {
  return readJson(path, detectorArtefactSchema, 'invalid_artefact');
}

/** Parses a whole number of at least 1. */
export function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('not a whole number of at least 1');
  return Number(text);
}

/** Parses a whole number of at least 0. */
export function wholeNumber(text: string): number {
  return text === '0' ? 0 : positiveInteger(text);
}

/** Parser of a seed: a whole number from 0 up to a bound. */
export function seedNumber(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,16}$/.test(text) && value <= most) return value;
    throw new InvalidArgumentError(`not a whole number from 0 to ${most}`);
  };
}

/** Parses a number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('not a number above 0');
  return value;
}

/** Parses a rate strictly between 0 and 1. */
export function rate(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1)) throw new InvalidArgumentError('not a rate between 0 and 1');
  return value;
}

/** Parser of an option that takes one of a few words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word === undefined) throw new InvalidArgumentError(`not one of ${words.join(', ')}`);
    return word;
  };
}

/** Parses rising numbers above 0, such as 0.1,0.2,0.3. */
export function risingNumbers(text: string): number[] {
  const numbers = text.split(',').map(Number);
  const rising = numbers.every((number, index) => number > (index === 0 ? 0 : numbers[index - 1]));
  if (!rising || !numbers.every(Number.isFinite))
    throw new InvalidArgumentError('not rising numbers such as 0.1,0.2');
  return numbers;
}

function rowRange(text: string): [number, number] {
  const match = /^(\d{1,9})-(\d{1,9})$/.exec(text);
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!(first <= last)) throw new InvalidArgumentError('not rows such as 0-1999');
  return [first, last];
}

/** Parses two rising numbers. */
export function numberPair(text: string): [number, number] {
  const [low, high, ...more] = text.split(',').map(Number);
  if (!(low < high) || more.length > 0) throw new InvalidArgumentError('not two rising numbers such as 0,1');
  return [low, high];
}

/** Parser of an option that may be repeated, each of its values parsed. */
export function several<T>(one: (text: string) => T): (text: string, before?: readonly T[]) => T[] {
  return (text, before = []) => [...before, one(text)];
}

/** Parser of an option that may be repeated. Without a default of its own: an empty list would stand in the help. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function splitOnce(text: string): [string, string] {
  const colon = text.indexOf(':');
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
}
