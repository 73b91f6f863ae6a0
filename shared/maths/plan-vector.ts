// The vector that a detector reads: from what one input gives under a plan, by any vector design.
import { assert, assertShape } from '../assert.ts';
import { designReads, type VectorDesign } from '../contracts/detector-artefact.ts';
import {
  type CopiesPlan,
  planCopies,
  planNoiseCopies,
  planUnits,
  type Tap,
} from '../contracts/extraction.ts';
import { GuardError } from '../errors.ts';
import { layerLevels, layerLevelsLength, levelledLayers } from './layer-levels.ts';
import { marginChangeEntries, marginChanges } from './margin-changes.ts';
import { nccrVector, nccrVectorLength } from './nccr-vector.ts';
import { tappedUnits, unitNumbers } from './unit-changes.ts';

/** The part of a plan that says what is read of each input. */
export interface VectorPlan extends CopiesPlan {
  /** None where they are not given. */
  readonly taps?: readonly Tap[];
}

/** Logits of one input and all its copies, and the plan that says what each copy is. */
export interface PlanLogits {
  /** Row-major [planCopies(plan) + 1, classes], finite; row 0 is the input. */
  readonly logits: Float32Array;
  /** [columns of `changeColumns`], finite; only designs on neurons read them. */
  readonly changes?: Float32Array | undefined;
  readonly plan: VectorPlan;
  readonly classes: number;
}

/**
 * Number of entries of a vector.
 * @param classes logits of the model, at least 2
 * @returns for ten classes 9 (`rank-gaps`) or 19 (`strict`), three a transform (`margin-changes`), three a unit (`neurons`), one a layer and strength of
 *   noise and more (`layer-levels`), or
 *   the sum of what a design joins
 * @throws GuardError `invalid_artefact` where the plan does not have what the design reads
 */
export function planVectorLength(
  design: VectorDesign,
  { classes, plan }: Pick<PlanLogits, 'classes' | 'plan'>,
): number {
  requireParts(design, plan);
  const { noise, transforms, neurons, levels } = designReads[design];
  let length = 0;
  if (transforms) length += marginChangeEntries * plan.transforms.length;
  if (noise) length += nccrVectorLength(noise, classes);
  if (neurons) length += unitNumbers * planUnits({ taps: plan.taps ?? [] });
  if (levels) length += layerLevelsLength({ ...plan, taps: plan.taps ?? [] });
  return length;
}

/**
 * Assembles the vector of one input: each design reads the copies and taps that it is made for and leaves the others. Margin
 * changes come first, then what is read under noise, then changes, drifts and sizes of the units as they are: what they are
 * relative to is learnt, and so part of the detector.
 * @returns [planVectorLength(design, { classes, plan })], finite
 * @throws GuardError `invalid_artefact` where the plan does not have what the design reads; Error where logits or changes
 *   do not have the plan's shape, or a design on neurons is given no changes
 * @see NCCR, section 3.2
 */
export function planVector(input: PlanLogits, design: VectorDesign): Float64Array {
  const { logits, plan, classes, changes } = input;
  requireParts(design, plan);
  assertShape(logits, [planCopies(plan) + 1, classes], 'logits');
  const { noise, transforms, neurons, levels } = designReads[design];
  const parts: Float64Array[] = [];
  if (transforms) parts.push(marginChanges(transformLogits(input)));
  if (noise) parts.push(nccrVector(noiseLogits(input), noise));
  if (levels) {
    assert(changes, 'a design on layers is given changes');
    parts.push(layerLevels({ logits, classes, changes, plan: { ...plan, taps: plan.taps ?? [] } }));
  }
  if (neurons) {
    assert(changes, 'a design on neurons is given changes');
    parts.push(tappedUnits({ taps: plan.taps ?? [] }, changes));
  }
  if (parts.length === 1) return parts[0];
  const vector = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let first = 0;
  for (const part of parts) {
    vector.set(part, first);
    first += part.length;
  }
  return vector;
}

/** The input and its copies under noise, which follow it. */
function noiseLogits({ logits, plan, classes }: PlanLogits) {
  const copies = planNoiseCopies(plan);
  return { values: logits.subarray(0, (copies + 1) * classes), copies, classes };
}

/** The input and its transforms, which stand behind the noise. */
function transformLogits({ logits, plan, classes }: PlanLogits) {
  const copies = plan.transforms.length;
  const values = new Float32Array((copies + 1) * classes);
  values.set(logits.subarray(0, classes));
  values.set(logits.subarray(logits.length - copies * classes), classes);
  return { values, copies, classes };
}

function requireParts(design: VectorDesign, plan: VectorPlan): void {
  const { noise, transforms, neurons, levels } = designReads[design];
  const missing = (what: string) =>
    new GuardError('invalid_artefact', `a ${design} vector needs ${what}, the plan has none`);
  if (noise && planNoiseCopies(plan) === 0) throw missing('copies with noise');
  if (transforms && plan.transforms.length === 0) throw missing('transforms');
  if (levels && plan.noise.length === 0) throw missing('copies with noise');
  if (levels && levelledLayers({ taps: plan.taps ?? [] }) === 0) throw missing('taps of levels');
  if (neurons && planUnits({ taps: plan.taps ?? [] }) === 0) throw missing('taps of units');
}
