// What an operator is told of the detectors in use.
import { z } from 'zod';
import { attackCardSchema, vectorDesigns } from './detector-artefact.ts';
import { digestSchema } from './extraction.ts';
import { guardModes } from './verdict.ts';

/** What the artefact says of itself, without its weights. */
export const detectorSummarySchema = z.object({
  name: z.string(),
  version: z.string(),
  created_at: z.iso.datetime(),
  artefact: digestSchema.describe('Of the bytes of the artefact.'),
  key: z.string().describe('Of the object that holds the artefact.'),
  model_digest: digestSchema,
  input_name: z.string(),
  input_shape: z.array(z.int()).describe('Without the batch.'),
  input_range: z.tuple([z.number(), z.number()]),
  classes: z.int(),
  design: z.enum(vectorDesigns),
  sequential: z.boolean().describe('Whether the guard judges by a sequential test.'),
  threshold: z.object({
    value: z.number(),
    target_fpr: z.number(),
    fpr_ci95: z.tuple([z.number(), z.number()]),
    calibration_samples: z.int(),
    clean_quantiles: z
      .array(z.number())
      .nullable()
      .describe('Of the clean scores at 0, 1, ... 100 %; null of artefacts that keep none.'),
  }),
  calibration: z.object({
    dataset: z.string(),
    attacks: z.array(z.string()),
    training_images: z.int(),
    threshold_images: z.int(),
    shifts: z.array(z.object({ shift: z.string(), images: z.int(), flagged: z.number() })),
  }),
  card: attackCardSchema.nullable().describe('What `detector attack` found; null where it was not run.'),
});
export type DetectorSummary = z.infer<typeof detectorSummarySchema>;

/** One configured model with its detector. */
export const guardedModelSchema = z.object({
  model: z.string(),
  mode: z.enum(guardModes),
  policy_version: z.int(),
  detector: detectorSummarySchema.nullable(),
  failure: z
    .string()
    .nullable()
    .describe('Code of why the detector cannot be read; null where it can, or there is none.'),
});
export type GuardedModelSummary = z.infer<typeof guardedModelSchema>;

/** `GET /v1/detectors`. */
export const detectorListSchema = z.object({ models: z.array(guardedModelSchema) });
export type DetectorList = z.infer<typeof detectorListSchema>;
