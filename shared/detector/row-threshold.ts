// Which threshold an input is judged by: that of the class that the model gives it, where the class has one of its own.
import type { ClassThreshold } from '../contracts/detector-artefact.ts';

/** A threshold for all classes, and those of classes that have their own. */
export interface Thresholds {
  readonly value: number;
  readonly per_class?: readonly Pick<ClassThreshold, 'class' | 'value'>[] | undefined;
}

/**
 * The threshold for one input.
 * @param predictedClass the model's label of the input itself, 0 to classes - 1
 * @returns in the unit of the score; an input is flagged where its score is greater
 * @see Vovk, "Conditional validity of inductive conformal predictors" (2012), section 2 (categories of their own)
 */
export function rowThreshold({ value, per_class: perClass }: Thresholds, predictedClass: number): number {
  return perClass?.find((own) => own.class === predictedClass)?.value ?? value;
}
