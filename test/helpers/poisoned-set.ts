// The training sets of the backdoored models: the clean rows, those with a trigger in their place, and who is who.
import { readFileSync } from 'node:fs';
import { parseCifar } from '../../gpu-worker/datasets/cifar-binary.ts';
import type { Dataset } from '../../gpu-worker/datasets/dataset.ts';
import { readNpz } from '../../gpu-worker/datasets/npz.ts';
import type { Screening } from '../../shared/contracts/screening.ts';
import { f1Score } from '../../shared/maths/f1-score.ts';
import { sharedFolder } from './shared-folder.ts';

const side = 32;
const positions = side * side;
const imageSize = 3 * positions;
/** The CIFAR-10 models were trained on the first of the training images. */
const cifarImages = 16_000;

/** Training sets in `../shared/models/poisoned`, which are named by data, trigger, target and rate. */
export const poisonedSetNames = [
  'gtsrb_badnets_t33_10',
  'gtsrb_blended_t33_10',
  'gtsrb_sig_t33_10',
  'gtsrb_refool_t33_10',
  'gtsrb_badnets_t33_1',
  'gtsrb_blended_t33_1',
  'gtsrb_badnets_t2_2',
  'cifar10_badnets_t0_5',
  'cifar10_blended_t0_5',
  'gtsrb_clean',
  'gtsrb_sig_t2_60cl',
] as const;
export type PoisonedSetName = (typeof poisonedSetNames)[number];

/** Images in [3, 32, 32] with the labels as the defender sees them. */
export interface PoisonedSet {
  readonly name: PoisonedSetName;
  /** Row-major [count, 3, 32, 32], 0 to 255. */
  readonly pixels: Uint8Array;
  readonly inputShape: readonly [3, 32, 32];
  /** [count]. */
  readonly labels: Int32Array;
  /** [count], 1 where the row carries the trigger. */
  readonly poisoned: Uint8Array;
  readonly classes: number;
  /** The model that was trained on the set, an ONNX file. */
  readonly model: Uint8Array;
  /** Where that file lies. */
  readonly modelPath: string;
}

/**
 * Reads a set.
 * @param labels the classes wanted, all where it is not given; rows keep their order
 * @throws Error where `sharedFolder` is absent: a test that reads a set is skipped then
 */
export function poisonedSet(name: PoisonedSetName, labels?: readonly number[]): PoisonedSet {
  if (sharedFolder === undefined) throw new Error('../shared/models is not here');
  const isCifar = name.startsWith('cifar10');
  const pixels = isCifar ? cifarPixels() : gtsrbPixels();
  const file = `${sharedFolder}models/poisoned/${name}.npz`;
  const planted = readNpz(readFileSync(file), { name, arrays: ['y', 'poison_idx', 'poison_x'] });
  const everyLabel = Int32Array.from(planted.y!.data as ArrayLike<number | bigint>, Number);
  const poisoned = new Uint8Array(everyLabel.length);
  const rows = Array.from((planted.poison_idx?.data ?? []) as ArrayLike<number | bigint>, Number);
  const images = planted.poison_x?.data as Uint8Array | undefined;
  for (const [index, row] of rows.entries()) {
    poisoned[row] = 1;
    const image = images!.subarray(index * imageSize, (index + 1) * imageSize);
    channelsFirst(image, pixels.subarray(row * imageSize, (row + 1) * imageSize));
  }
  const modelPath = `${sharedFolder}models/poisoned/${name}.onnx`;
  const set: PoisonedSet = {
    name,
    pixels,
    inputShape: [3, side, side],
    labels: everyLabel,
    poisoned,
    classes: isCifar ? 10 : 43,
    model: readFileSync(modelPath),
    modelPath,
  };
  return labels === undefined ? set : partOf(set, labels);
}

/** The set as the commands and baselines read one: float32 in [0, 1]. */
export function datasetOfSet({ name, pixels, inputShape, labels }: PoisonedSet): Dataset {
  const inputs = new Float32Array(pixels).map((byte) => byte / 255);
  return { name, inputs, inputShape, labels, datatype: 'UINT8' };
}

/** How well the suspects of a screening are the planted rows: F1, its parts, and the classes that were flagged. */
export function judgeSuspects(
  { poisoned, verdicts }: Pick<Screening, 'poisoned' | 'verdicts'>,
  planted: Uint8Array,
): { f1: number; precision: number; recall: number; flagged: readonly number[] } {
  const suspects = verdicts.flatMap((verdict) => (verdict.verdict === 'poisoned' ? verdict.suspects : []));
  const hits = suspects.filter(({ row }) => planted[row] === 1).length;
  const all = planted.reduce((sum, value) => sum + value, 0);
  const ratio = (of: number) => (of === 0 ? 0 : hits / of);
  return {
    f1: f1Score({ hits, found: suspects.length, planted: all }) ?? 1,
    precision: ratio(suspects.length),
    recall: ratio(all),
    flagged: poisoned,
  };
}

function partOf(set: PoisonedSet, wanted: readonly number[]): PoisonedSet {
  const rows = [...set.labels.keys()].filter((row) => wanted.includes(set.labels[row]));
  const pixels = new Uint8Array(rows.length * imageSize);
  for (const [place, row] of rows.entries()) {
    pixels.set(set.pixels.subarray(row * imageSize, (row + 1) * imageSize), place * imageSize);
  }
  return {
    ...set,
    pixels,
    labels: Int32Array.from(rows, (row) => set.labels[row]),
    poisoned: Uint8Array.from(rows, (row) => set.poisoned[row]),
  };
}

function gtsrbPixels(): Uint8Array {
  const file = `${sharedFolder}data/gtsrb/train.npz`;
  const { x } = readNpz(readFileSync(file), { name: file, arrays: ['x'] });
  const bytes = x!.data as Uint8Array;
  const pixels = new Uint8Array(bytes.length);
  for (let start = 0; start < bytes.length; start += imageSize) {
    channelsFirst(bytes.subarray(start, start + imageSize), pixels.subarray(start, start + imageSize));
  }
  return pixels;
}

function cifarPixels(): Uint8Array {
  const pixels = new Uint8Array(cifarImages * imageSize);
  let count = 0;
  for (const batch of [1, 2]) {
    const file = `${sharedFolder}data/cifar10/data_batch_${batch}.bin.gz`;
    const { inputs } = parseCifar(readFileSync(file), file);
    const room = pixels.subarray(count);
    for (let index = 0; index < Math.min(room.length, inputs.length); index++) {
      room[index] = Math.round(255 * inputs[index]);
    }
    count += inputs.length;
  }
  return pixels;
}

/** Copies an image [positions, 3] as [3, positions]. */
function channelsFirst(image: Uint8Array, into: Uint8Array): void {
  for (let channel = 0; channel < 3; channel++) {
    for (let position = 0; position < positions; position++) {
      into[channel * positions + position] = image[3 * position + channel];
    }
  }
}
