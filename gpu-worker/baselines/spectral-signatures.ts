// Baseline: how far an example lies along the direction in which the representations of its class vary most.
import { assert } from '../../shared/assert.ts';
import { pca, project } from '../../shared/maths/pca.ts';
import { activationClasses, type Suspicion, type TrainingActivations } from './training-activations.ts';

/** Examples removed for each that may be poison. */
const removalFactor = 1.5;

/**
 * Outlier scores: the square of a centred representation's product with the top right singular vector of its class.
 * @returns [count], 0 or more; 0 for a class of one example
 * @throws GuardError `invalid_dataset` where there are no examples, a label is out of range or an activation is not finite
 * @see Tran, Li and Madry, "Spectral signatures in backdoor attacks" (2018), algorithm 1
 */
export function spectralScores(set: TrainingActivations): Float64Array {
  const scores = new Float64Array(set.labels.length);
  for (const { rows, activations } of activationClasses(set)) {
    // The top right singular vector of the centred matrix is the first principal axis.
    const projection = pca(activations, { dimensions: set.neurons, components: 1 });
    for (const [place, value] of project(activations, projection).entries()) {
      scores[rows[place]] = value ** 2;
    }
  }
  return scores;
}

/**
 * Suspects the examples of highest score in every class, 1.5 times as many as may be poison there; the method does not say
 * whether there is any.
 *
 * Deviation: the paper bounds the number of poisoned examples, the same for each class of a balanced set; here it is a share of
 * each class, as in published implementations, since in an unbalanced set one number would remove small classes whole.
 * @param share of a class that may be poison, 0 to 1
 * @see Tran, Li and Madry (2018), algorithm 1
 */
export function suspectSpectra(set: TrainingActivations, { share }: { share: number }): Suspicion {
  assert(share >= 0 && share <= 1, 'a share lies between 0 and 1');
  const scores = spectralScores(set);
  const suspects: number[] = [];
  for (const { rows } of activationClasses(set)) {
    const removed = Math.min(rows.length, Math.round(removalFactor * share * rows.length));
    const falling = [...rows].sort((left, right) => scores[right] - scores[left] || left - right);
    suspects.push(...falling.slice(0, removed));
  }
  return { rows: Uint32Array.from(suspects).sort(), labels: undefined };
}
