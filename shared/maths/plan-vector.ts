// The vector that a detector reads: from the logits of one input under a plan, by any vector design.
import { assertShape } from '../assert.ts';
import type { VectorDesign } from '../contracts/detector-artefact.ts';
import { type CopiesPlan, planCopies, planNoiseCopies } from '../contracts/extraction.ts';
import { GuardError } from '../errors.ts';
import { marginChangeEntries, marginChanges } from './margin-changes.ts';
import { nccrVector, nccrVectorLength } from './nccr-vector.ts';

/** Logits of one input and all its copies, and the plan that says what each copy is. */
export interface PlanLogits {
  /** Row-major [planCopies(plan) + 1, classes], finite; row 0 is the input. */
  readonly logits: Float32Array;
  readonly plan: CopiesPlan;
  readonly classes: number;
}

/**
 * Number of entries of a vector.
 * @param classes logits of the model, at least 2
 * @returns for ten classes 9 (`rank-gaps`) or 19 (`strict`), three a transform (`margin-changes`), or the sum of both
 * @throws GuardError `invalid_artefact` where the plan does not have the copies that the design reads
 */
export function planVectorLength(
  design: VectorDesign,
  { classes, plan }: Pick<PlanLogits, 'classes' | 'plan'>,
): number {
  requireCopies(design, plan);
  switch (design) {
    case 'rank-gaps':
    case 'strict':
      return nccrVectorLength(design, classes);
    case 'margin-changes':
      return marginChangeEntries * plan.transforms.length;
    case 'margin-changes+rank-gaps':
      return marginChangeEntries * plan.transforms.length + nccrVectorLength('rank-gaps', classes);
  }
}

/**
 * Assembles the vector of one input: each design reads the copies that it is made for and leaves the others.
 * @returns [planVectorLength(design, { classes, plan })], finite
 * @throws GuardError `invalid_artefact` where the plan does not have the copies that the design reads; Error where the
 *   logits do not have the plan's shape
 * @see NCCR, section 3.2
 */
export function planVector({ logits, plan, classes }: PlanLogits, design: VectorDesign): Float64Array {
  requireCopies(design, plan);
  assertShape(logits, [planCopies(plan) + 1, classes], 'logits');
  switch (design) {
    case 'rank-gaps':
    case 'strict':
      return nccrVector(noiseLogits({ logits, plan, classes }), design);
    case 'margin-changes':
      return marginChanges(transformLogits({ logits, plan, classes }));
    case 'margin-changes+rank-gaps':
      return Float64Array.of(
        ...marginChanges(transformLogits({ logits, plan, classes })),
        ...nccrVector(noiseLogits({ logits, plan, classes }), 'rank-gaps'),
      );
  }
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

function requireCopies(design: VectorDesign, plan: CopiesPlan): void {
  if (design !== 'margin-changes' && planNoiseCopies(plan) === 0) {
    throw new GuardError('invalid_artefact', `a ${design} vector needs copies with noise, the plan has none`);
  }
  if (design.startsWith('margin-changes') && plan.transforms.length === 0) {
    throw new GuardError('invalid_artefact', `a ${design} vector needs transforms, the plan has none`);
  }
}
