// The inputs that a detector learns from: clean ones that the model gets right, and adversarial copies of them.
import { GuardError } from '../../shared/errors.ts';
import { normal, seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type AttackExamples, clipTo, predictedLabel } from '../attacks/attack.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { smallestFgsm } from '../attacks/fgsm.ts';
import { pgd, smallestPgd } from '../attacks/pgd.ts';
import { type Dataset, selectDatasetRows } from '../datasets/dataset.ts';

/** An attack by its name, as artefacts and reports write it. */
export const attackNames = ['fgsm', 'pgd', 'pgd-fixed'] as const;
export type AttackName = (typeof attackNames)[number];

/** Inputs of both classes; rows of `adversarial` are all real successes. */
export interface TrainingInputs {
  readonly clean: Float32Array;
  readonly adversarial: Float32Array;
}

/** Told about each stage of the work. */
export type StageProgress = (stage: string, share: number) => void;

/**
 * The rows of a data set that the model labels as the data set does.
 * @throws GuardError `invalid_dataset` where there is none
 */
export async function correctRows(target: AttackTarget, dataset: Dataset): Promise<Dataset> {
  const logits = await target.logits(dataset.inputs);
  const rows = Array.from(dataset.labels.keys()).filter(
    (row) => predictedLabel(logits, row, target.classes) === dataset.labels[row],
  );
  if (rows.length === 0) {
    throw new GuardError(
      'invalid_dataset',
      `the model labels none of the ${dataset.labels.length} inputs of ${dataset.name} right`,
    );
  }
  return selectDatasetRows(dataset, rows);
}

/**
 * Runs one attack by name on inputs that the model gets right.
 * @param epsilon radius of the fixed attacks, in units of the input
 * @throws GuardError `invalid_dataset` where the attack never succeeds
 */
export async function attackByName(
  name: AttackName,
  { target, dataset, epsilon }: { target: AttackTarget; dataset: Dataset; epsilon: number },
  onProgress: (share: number) => void,
): Promise<AttackExamples> {
  const attacked = { inputs: dataset.inputs, labels: dataset.labels };
  const examples = await {
    fgsm: () => smallestFgsm(target, attacked, { onProgress }),
    pgd: () => smallestPgd(target, attacked, { onProgress }),
    'pgd-fixed': () => pgd(target, attacked, { epsilon, steps: 20, randomStart: 1, onProgress }),
  }[name]();
  onProgress(1);
  if (!examples.success.includes(1)) {
    throw new GuardError(
      'invalid_dataset',
      `${name} never succeeded on the ${dataset.labels.length} inputs of ${dataset.name}`,
    );
  }
  return examples;
}

/** The successful rows of an attack, [successes, ...inputShape]. */
export function successfulInputs({ inputs, success }: AttackExamples): Float32Array {
  const size = inputs.length / success.length;
  const rows = Array.from(success.keys()).filter((row) => success[row] === 1);
  const kept = new Float32Array(rows.length * size);
  for (const [index, row] of rows.entries())
    kept.set(inputs.subarray(row * size, (row + 1) * size), index * size);
  return kept;
}

/**
 * Builds the training inputs of a detector.
 * @param strict adds fixed-epsilon PGD to the adversarial side and noisy copies to the clean side
 * @param epsilon radius of the fixed attack and bound of the noise, in units of the input
 */
export async function trainingInputs(
  { target, dataset, epsilon }: { target: AttackTarget; dataset: Dataset; epsilon: number },
  { strict, seed }: { strict: boolean; seed: number },
  onStage: StageProgress,
): Promise<TrainingInputs> {
  const attacks: readonly AttackName[] = strict ? ['fgsm', 'pgd', 'pgd-fixed'] : ['fgsm', 'pgd'];
  const adversarial: Float32Array[] = [];
  for (const name of attacks) {
    const examples = await attackByName(name, { target, dataset, epsilon }, (share) =>
      onStage(`attack ${name}`, share),
    );
    adversarial.push(successfulInputs(examples));
  }
  const clean = strict
    ? [dataset.inputs, noisyCopies(target, dataset.inputs, { epsilon, seed })]
    : [dataset.inputs];
  return { clean: concatenate(clean), adversarial: concatenate(adversarial) };
}

/** One Gaussian-noise copy of each input, its strength drawn up to the noise of the plan. */
function noisyCopies(
  target: AttackTarget,
  inputs: Float32Array,
  { epsilon, seed }: { epsilon: number; seed: number },
): Float32Array {
  const random = seededRandom(seed);
  const size = elementCount(target.inputShape);
  let deviation = 0;
  return inputs.map((value, index) => {
    if (index % size === 0) deviation = (epsilon / 2) * random();
    return clipTo(target.range, value + deviation * normal(random));
  });
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
