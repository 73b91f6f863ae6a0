// The windows that detectors of a speaker model are tested on: attacked, noisy and foreign ones, each with its utterance.
import { normal, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { clipTo, predictedLabel } from '../attacks/attack.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import { roundSamples } from '../attacks/waveform-attacks.ts';
import type { StageProgress } from '../calibrate/training-inputs.ts';
import { type Dataset, selectDatasetRows } from '../datasets/dataset.ts';

/** Windows of one kind. */
export interface SpeakerSet {
  readonly name: string;
  readonly adversarial: boolean;
  /** Windows that were attacked or made noisy. */
  readonly attacked: number;
  /** Those that count: examples that the model gets wrong, noisy windows that it still gets right. */
  readonly windows: Dataset;
}

/** An attack of the table; one that keeps to a radius has it. */
export interface SpeakerAttack {
  readonly attack: AttackName;
  readonly epsilon?: number;
  /** Windows attacked at most; all where it is not given. */
  readonly windows?: number | undefined;
}

/** Windows of one utterance that stand in for it where a file does not say which belong together. */
const runWindows = 3;

/**
 * Says which windows belong together: those of a recording or, where the data set does not know, each run of three of a speaker.
 * @returns the data set with `utterances`
 */
export function withUtterances(dataset: Dataset): Dataset {
  if (dataset.utterances !== undefined) return dataset;
  const seen = new Map<number, number>();
  const ids = new Map<string, number>();
  const utterances = dataset.labels.map((label) => {
    const place = seen.get(label) ?? 0;
    seen.set(label, place + 1);
    const key = `${label}/${Math.floor(place / runWindows)}`;
    const id = ids.get(key) ?? ids.size;
    ids.set(key, id);
    return id;
  });
  return { ...dataset, utterances };
}

/** The name by which a table lists an attack. */
export function attackTitle({ attack, epsilon }: SpeakerAttack): string {
  return epsilon === undefined ? attack : `${attack} @${epsilon}`;
}

/** Attacks windows that the model gets right; what it still gets right afterwards is left out. */
export async function attackedSet(
  attack: SpeakerAttack,
  { target, dataset, run }: { target: AttackTarget; dataset: Dataset; run: RunAttack },
  onStage: StageProgress,
): Promise<SpeakerSet> {
  const name = attackTitle(attack);
  const count = Math.min(attack.windows ?? Number.POSITIVE_INFINITY, dataset.labels.length);
  // Spread over all speakers, which stand one after the other.
  const rows = Array.from({ length: count }, (_, index) =>
    Math.floor((index * dataset.labels.length) / count),
  );
  const part = selectDatasetRows(dataset, rows);
  const { inputs, success } = await run(
    attack.attack,
    target,
    { inputs: part.inputs, labels: part.labels },
    { epsilon: attack.epsilon ?? 0, seed: 3, onProgress: (share) => onStage(`attack ${name}`, share) },
  );
  const wrong = Array.from(success.keys()).filter((row) => success[row] === 1);
  const windows = selectDatasetRows({ ...part, inputs }, wrong);
  return { name, adversarial: true, attacked: count, windows };
}

/**
 * Adds Gaussian noise that nobody optimised, rounded to 16 bits.
 * @param deviation in units of the input
 * @returns the windows that the model still gets right
 */
export async function noisySet(
  deviation: number,
  { target, dataset }: { target: AttackTarget; dataset: Dataset },
): Promise<SpeakerSet> {
  const random = seededRandom(Math.round(1e6 * deviation));
  const noisy = dataset.inputs.map((value) => clipTo(target.range, value + deviation * normal(random)));
  const changed = { ...dataset, inputs: roundSamples(noisy) };
  const right = (await rightWindows(target, changed)).windows;
  return { name: `noise ${deviation}`, adversarial: false, attacked: dataset.labels.length, windows: right };
}

/** Examples of another tool that the model really gets wrong. */
export async function foreignSet(
  { name, dataset }: { name: string; dataset: Dataset },
  target: AttackTarget,
): Promise<SpeakerSet> {
  const { wrong } = await rightWindows(target, dataset);
  return { name, adversarial: true, attacked: dataset.labels.length, windows: wrong };
}

/** Parts a data set into what the model gets right and wrong. */
export async function rightWindows(
  target: AttackTarget,
  dataset: Dataset,
): Promise<{ windows: Dataset; wrong: Dataset }> {
  const logits = await target.logits(dataset.inputs);
  const isRight = (row: number) => predictedLabel(logits, row, target.classes) === dataset.labels[row];
  const rows = Array.from(dataset.labels.keys());
  return {
    windows: selectDatasetRows(dataset, rows.filter(isRight)),
    wrong: selectDatasetRows(
      dataset,
      rows.filter((row) => !isRight(row)),
    ),
  };
}

/** Mean score of each utterance, in the order of their first windows. */
export function utteranceScores(
  scores: Float64Array,
  { utterances, inputs, inputShape }: Dataset,
): Float64Array {
  const count = inputs.length / elementCount(inputShape);
  const sums = new Map<number, { sum: number; count: number }>();
  for (let row = 0; row < count; row++) {
    const id = utterances?.[row] ?? row;
    const before = sums.get(id) ?? { sum: 0, count: 0 };
    sums.set(id, { sum: before.sum + scores[row], count: before.count + 1 });
  }
  return Float64Array.from(sums.values(), ({ sum, count: windows }) => sum / windows);
}
