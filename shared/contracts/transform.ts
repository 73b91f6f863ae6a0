// Perturbation families that are transforms of the input: what each is called and how it may be set.
import { z } from 'zod';
import {
  bitDepthMax,
  blurSigmaMax,
  blurSigmaMin,
  blurSizeMax,
  shiftPixelsMax,
  totalVariationIterationsMax,
  totalVariationWeightMax,
} from '../limits.ts';

const pixelsSchema = z.int().min(-shiftPixelsMax).max(shiftPixelsMax);

/** One transform of the input: one copy. What each does stands in `shared/maths/transforms.ts`. */
export const transformSchema = z.discriminatedUnion('family', [
  z
    .strictObject({
      family: z.literal('shift'),
      /** Pixels to the right, and down; negative ones go left, and up. */
      dx: pixelsSchema,
      dy: pixelsSchema,
      /** What comes in at the edge: the edge's own pixels, or the value 0. */
      edge: z.enum(['replicate', 'zeros']),
    })
    .refine(({ dx, dy }) => dx !== 0 || dy !== 0, 'a shift moves the input'),
  z.strictObject({ family: z.literal('mirror') }),
  z.strictObject({
    family: z.literal('total-variation'),
    /** In units of the input: the larger, the flatter the copy. */
    weight: z.number().positive().max(totalVariationWeightMax),
    iterations: z.int().min(1).max(totalVariationIterationsMax),
  }),
  z.strictObject({
    family: z.literal('blur'),
    /** Of the Gaussian, in pixels. */
    sigma: z.number().min(blurSigmaMin).max(blurSigmaMax),
    /** Side of the window in pixels, odd. */
    size: z
      .int()
      .min(3)
      .max(blurSizeMax)
      .refine((size) => size % 2 === 1, 'the window of a blur has an odd side'),
  }),
  z.strictObject({ family: z.literal('bit-depth'), bits: z.int().min(1).max(bitDepthMax) }),
  z.strictObject({
    family: z.literal('median'),
    /** Side of the window in pixels. */
    size: z.union([z.literal(2), z.literal(3)]),
  }),
]);

export type Transform = z.infer<typeof transformSchema>;
export type TransformFamily = Transform['family'];
/** The transform of one family. */
export type TransformOf<F extends TransformFamily> = Extract<Transform, { family: F }>;
