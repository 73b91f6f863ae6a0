// The neuron cover change rate by its plain definition: what every fast path is tested against.
import { assert, assertShape } from '../assert.ts';

/** Activations of one tapped tensor for an input and its perturbed copies: row 0 is the input. */
export interface TappedActivations {
  /** Row-major [copies + 1, neurons]. */
  readonly values: Float32Array;
  readonly copies: number;
  /** Neurons of the tap: the product of its shape without the batch. */
  readonly neurons: number;
}

/**
 * Change of each neuron: the mean over copies of `|F_j(x'_k) - F_j(x)|`.
 * @param activations of one tap, [copies + 1, neurons], any finite values
 * @returns [neurons], each at least 0
 * @throws Error where the values do not have the stated shape or there is no copy
 * @see NCCR, section 3.2
 */
export function neuronChanges(activations: TappedActivations): Float64Array {
  const { values, copies, neurons } = activations;
  assertShape(values, [copies + 1, neurons], 'activations');
  assert(copies > 0, 'a change needs at least one copy');
  const changes = new Float64Array(neurons);
  for (let copy = 1; copy <= copies; copy++) {
    for (let neuron = 0; neuron < neurons; neuron++) {
      changes[neuron] += Math.abs(values[copy * neurons + neuron] - values[neuron]);
    }
  }
  for (let neuron = 0; neuron < neurons; neuron++) changes[neuron] /= copies;
  return changes;
}

/**
 * Drift of each neuron: the mean over copies of `F_j(x'_k) - F_j(x)`, signed. Under noise that destroys the image it is all but
 * `constant - F_j(x)`.
 * @param activations of one tap, [copies + 1, neurons], any finite values
 * @returns [neurons], in the unit of the activations
 * @throws Error where the values do not have the stated shape or there is no copy
 * @see NCCR, section 6, whose change rate has no sign
 */
export function neuronDrifts(activations: TappedActivations): Float64Array {
  const { values, copies, neurons } = activations;
  assertShape(values, [copies + 1, neurons], 'activations');
  assert(copies > 0, 'a drift needs at least one copy');
  return Float64Array.from({ length: neurons }, (_, neuron) => {
    let sum = 0;
    for (let copy = 1; copy <= copies; copy++) sum += values[copy * neurons + neuron] - values[neuron];
    return sum / copies;
  });
}

/**
 * Change of a layer: the mean over its neurons and copies, beside the mean size of its activations on the input.
 * @param activations of one tap, [copies + 1, neurons]
 * @returns `change` and `base`, both at least 0; `change / base` is the relative change
 * @see NCCR, section 3.2
 */
export function layerChange(activations: TappedActivations): { change: number; base: number } {
  const changes = neuronChanges(activations);
  let change = 0;
  let base = 0;
  for (let neuron = 0; neuron < activations.neurons; neuron++) {
    change += changes[neuron];
    base += Math.abs(activations.values[neuron]);
  }
  return { change: change / activations.neurons, base: base / activations.neurons };
}

/**
 * Change of each channel: the mean over the positions of a channel and the copies.
 * @param activations of one tap whose neurons are [channels, positions], row-major
 * @param channels number of channels; divides the neurons
 * @returns [channels], each at least 0
 * @see NCCR, section 3.2
 */
export function channelChanges(activations: TappedActivations, channels: number): Float64Array {
  assert(
    activations.neurons % channels === 0,
    `${activations.neurons} neurons do not make ${channels} channels`,
  );
  const positions = activations.neurons / channels;
  const changes = neuronChanges(activations);
  const means = new Float64Array(channels);
  for (let neuron = 0; neuron < activations.neurons; neuron++) {
    means[Math.floor(neuron / positions)] += changes[neuron] / positions;
  }
  return means;
}

/** How the units of a tap change under one copy, each [units]. */
export interface UnitChanges {
  /** `U_j`: mean over the positions of a unit of `|F_j(x') - F_j(x)|`, at least 0. */
  readonly change: Float64Array;
  /** `V_j`: change of the unit's mean, the mean over its positions of `F_j(x') - F_j(x)`. */
  readonly drift: Float64Array;
  /** Mean over its positions of `|F_j(x)|`, at least 0. */
  readonly base: Float64Array;
}

/**
 * Changes of each unit of a tap under one copy: of a convolution's channels, or of single neurons where a unit has one position.
 * @param activations of one tap whose neurons are [units, positions], row-major
 * @param options which copy, from 1, and the number of units, which divides the neurons
 * @returns three numbers a unit
 * @throws Error where the values do not have the stated shape or there is no such copy
 * @see NCCR, section 3.2
 */
export function unitChanges(
  { values, copies, neurons }: TappedActivations,
  { copy, units }: { readonly copy: number; readonly units: number },
): UnitChanges {
  assertShape(values, [copies + 1, neurons], 'activations');
  assert(copy >= 1 && copy <= copies, `there is no copy ${copy} of ${copies}`);
  assert(neurons % units === 0, `${neurons} neurons do not make ${units} units`);
  const positions = neurons / units;
  const result = {
    change: new Float64Array(units),
    drift: new Float64Array(units),
    base: new Float64Array(units),
  };
  for (let neuron = 0; neuron < neurons; neuron++) {
    const unit = Math.floor(neuron / positions);
    const difference = values[copy * neurons + neuron] - values[neuron];
    result.change[unit] += Math.abs(difference) / positions;
    result.drift[unit] += difference / positions;
    result.base[unit] += Math.abs(values[neuron]) / positions;
  }
  return result;
}

/**
 * The l2 norm of the change of all neurons of a tap, averaged over the copies: the scalar NCCR of a model or an input.
 * @param activations of one tap, [copies + 1, neurons]
 * @returns at least 0, in the unit of the activations
 * @see NCCR, sections 3.2 and 4
 */
export function nccrL2(activations: TappedActivations): number {
  const { values, copies, neurons } = activations;
  assertShape(values, [copies + 1, neurons], 'activations');
  let sum = 0;
  for (let copy = 1; copy <= copies; copy++) {
    let squares = 0;
    for (let neuron = 0; neuron < neurons; neuron++) {
      squares += (values[copy * neurons + neuron] - values[neuron]) ** 2;
    }
    sum += Math.sqrt(squares);
  }
  return sum / copies;
}

/** What one perturbed copy does to a row of activations. */
export interface NormChange {
  /** l2 norm of `F(x') - F(x)`, at least 0. */
  readonly change: number;
  /** l2 norm of `F(x)`, at least 0. */
  readonly norm: number;
}

/**
 * The l2 norms of a change and of what changed, for NCCR relative to the size of the activations.
 *
 * With `centred`, the mean of each row is taken off first. Logits are compared so: their softmax knows neither a constant that is
 * added to all of them nor, for the label, their scale, so that a model's NCCR should not either.
 *
 * Deviation: the paper compares models by the l2 norm of the change alone, which doubles where a model's logits are doubled.
 * @param clean [neurons] on the input
 * @param perturbed [neurons] on the perturbed copy
 * @throws Error where the two are not of one length
 * @see NCCR, section 4
 */
export function normChange(clean: Float32Array, perturbed: Float32Array, centred = false): NormChange {
  assertShape(perturbed, [clean.length], 'perturbed activations');
  const mean = centred ? meanOf(clean) : 0;
  const shift = centred ? meanOf(perturbed) - mean : 0;
  let change = 0;
  let norm = 0;
  for (let neuron = 0; neuron < clean.length; neuron++) {
    change += (perturbed[neuron] - clean[neuron] - shift) ** 2;
    norm += (clean[neuron] - mean) ** 2;
  }
  return { change: Math.sqrt(change), norm: Math.sqrt(norm) };
}

function meanOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
