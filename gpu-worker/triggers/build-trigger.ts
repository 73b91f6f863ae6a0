// The trigger that a recipe names, with what it needs of the data set drawn beforehand.
import type { PoisonRecipe } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import { permutation, type Random } from '../../shared/maths/random.ts';
import { type Dataset, datasetRow } from '../datasets/dataset.ts';
import { checkPatch, stampPatch } from './badnets.ts';
import { blendPattern, drawPattern } from './blended.ts';
import { addReflection, checkGhost } from './refool.ts';
import { addSinusoid, checkFrequency } from './sig.ts';
import type { ImageFrame, Trigger } from './trigger.ts';

/** What a trigger is built on. */
export interface TriggerGround {
  readonly frame: ImageFrame;
  /** The clean data set, whose images are reflected. */
  readonly dataset: Dataset;
  /** Rows that get the trigger: none of them is reflected. */
  readonly rows: ArrayLike<number>;
  /** Draws what is the same in every image: pattern, reflections. */
  readonly random: Random;
}

/**
 * Builds the trigger.
 * @throws GuardError `invalid_dataset` where the images cannot hold it
 */
export function buildTrigger(recipe: PoisonRecipe, ground: TriggerGround): Trigger {
  const { frame, random } = ground;
  switch (recipe.trigger) {
    case 'badnets': {
      const { parameters } = recipe;
      checkPatch(frame, parameters);
      return (image) => stampPatch({ image, frame }, parameters);
    }
    case 'blended': {
      const { parameters } = recipe;
      const pattern = drawPattern(frame, random);
      return (image) => blendPattern({ image, frame }, pattern, parameters);
    }
    case 'sig': {
      const { parameters } = recipe;
      checkFrequency(frame, parameters);
      return (image) => addSinusoid({ image, frame }, parameters);
    }
    case 'refool': {
      const { parameters, target } = recipe;
      checkGhost(frame, parameters);
      const reflections = drawReflections(ground, { target, count: parameters.reflections });
      return (image, draws) => addReflection({ image, frame }, reflections, { parameters, random: draws });
    }
  }
}

/** Images of other classes than the target, without those that are poisoned themselves. */
function drawReflections(
  { dataset, rows, random }: TriggerGround,
  { target, count }: { target: number; count: number },
): Float32Array[] {
  const planted = new Set(Array.from(rows));
  const free = Array.from(dataset.labels.keys()).filter(
    (row) => dataset.labels[row] !== target && !planted.has(row),
  );
  if (free.length === 0) {
    throw new GuardError('invalid_dataset', `${dataset.name} has no image left that could be reflected`);
  }
  return Array.from(permutation(free.length, random).subarray(0, count), (index) =>
    datasetRow(dataset, free[index]).slice(),
  );
}
