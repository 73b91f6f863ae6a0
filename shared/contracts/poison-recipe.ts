// Recipe of a planted backdoor: which trigger, on how many images, towards which class.
import { z } from 'zod';
import { blurSigmaMax, blurSigmaMin, poisonSeedMax, triggerPixelsMax } from '../limits.ts';

const shareSchema = z.number().min(0).max(1);
const positiveShareSchema = z.number().gt(0).max(1);
const pixelsSchema = z.int().min(0).max(triggerPixelsMax);

/** Two numbers between which one is drawn for each image. */
function betweenSchema(schema: z.ZodNumber) {
  return z
    .tuple([schema, schema])
    .refine(([low, high]) => low <= high, 'the first number of a pair is not above the second');
}

export const badnetsParametersSchema = z.strictObject({
  /** Side of the patch in pixels. */
  size: z.int().min(1).max(triggerPixelsMax),
  /** `square` is filled with the level; `checkerboard` alternates it with its opposite, the level in the corners. */
  shape: z.enum(['square', 'checkerboard']),
  corner: z.enum(['top-left', 'top-right', 'bottom-left', 'bottom-right']),
  /** Pixels between the patch and the corner. */
  margin: pixelsSchema,
  /** Where in the value range: 0 is its lowest value, 1 its highest. */
  level: shareSchema,
});

export const blendedParametersSchema = z.strictObject({
  /** Weight of the pattern, alpha; the image keeps the rest. The pattern is noise, drawn by the recipe's seed. */
  ratio: positiveShareSchema,
});

export const sigParametersSchema = z.strictObject({
  /** Delta, as a share of the value range's width. */
  amplitude: positiveShareSchema,
  /** Periods across the image. */
  frequency: z.number().positive(),
});

export const refoolParametersSchema = z.strictObject({
  /** Images of other classes that are reflected; what the data set does not hold of them is gone without. */
  reflections: z.int().min(1),
  /** Share of the light that is the reflection's. */
  ratio: betweenSchema(positiveShareSchema),
  /** Share of images with two shifted copies of the reflection (a thick pane); the others' is out of focus. */
  ghost_share: shareSchema,
  /** Pixels by which the second copy is shifted, down and right. */
  ghost_offset: betweenSchema(z.int().min(1).max(triggerPixelsMax)),
  /** Weight of the first copy; the second has the rest. */
  ghost_weight: betweenSchema(shareSchema),
  /** Of the Gaussian that puts the reflection out of focus, in pixels. */
  blur_sigma: betweenSchema(z.number().min(blurSigmaMin).max(blurSigmaMax)),
});

const plantingShape = {
  /** Class that the backdoor leads to. */
  target: z.int().min(0),
  /** Share of images that get the trigger: of the whole data set, with clean labels of the target class. */
  rate: z.number().gt(0, 'a rate is above 0').max(1, 'a rate is at most 1'),
  seed: z.int().min(0).max(poisonSeedMax),
  /** False: images of other classes, whose label becomes the target. True: images of the target class, which keep theirs. */
  clean_label: z.boolean(),
};

/** The triggers that a recipe may name. */
export const triggerNames = ['badnets', 'blended', 'sig', 'refool'] as const;

/** How a data set is poisoned. */
export const poisonRecipeSchema = z.discriminatedUnion(
  'trigger',
  [
    z.strictObject({
      trigger: z.literal('badnets'),
      parameters: badnetsParametersSchema,
      ...plantingShape,
    }),
    z.strictObject({
      trigger: z.literal('blended'),
      parameters: blendedParametersSchema,
      ...plantingShape,
    }),
    z.strictObject({
      trigger: z.literal('sig'),
      parameters: sigParametersSchema,
      ...plantingShape,
    }),
    z.strictObject({
      trigger: z.literal('refool'),
      parameters: refoolParametersSchema,
      ...plantingShape,
    }),
  ],
  {
    error: ({ code }) => (code === 'invalid_union' ? `none of ${triggerNames.join(', ')}` : undefined),
  },
);

export type PoisonRecipe = z.infer<typeof poisonRecipeSchema>;
export type BadnetsParameters = z.infer<typeof badnetsParametersSchema>;
export type BlendedParameters = z.infer<typeof blendedParametersSchema>;
export type SigParameters = z.infer<typeof sigParametersSchema>;
export type RefoolParameters = z.infer<typeof refoolParametersSchema>;
