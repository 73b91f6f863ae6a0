// The robustness report of one model or several: NCCR over sets of small noise, accuracies beside it, and earlier versions.
import { z } from 'zod';
import {
  robustnessClassesMax,
  robustnessLayersMax,
  robustnessModelsMax,
  robustnessSetsMax,
} from '../limits.ts';

const rateSchema = z.number().min(0).max(1);
const sizeSchema = z.number().min(0);
const nameSchema = z.string().min(1).max(256);
const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** Outliers that a stored box plot has at most: the farthest ones. */
export const boxOutliersMax = 64;

/** Low and high end of a 95 % interval. */
export const intervalSchema = z
  .tuple([z.number(), z.number()])
  .refine(([low, high]) => low <= high, 'the low end of an interval is above its high end');

/** A box plot after Tukey: whiskers end at the last value within 1.5 box lengths of the box. */
export const boxSchema = z
  .strictObject({
    count: z.int().positive(),
    mean: sizeSchema,
    median: sizeSchema,
    quartiles: z.tuple([sizeSchema, sizeSchema]),
    whiskers: z.tuple([sizeSchema, sizeSchema]),
    /** Values beyond the whiskers; those farthest from the median where there are too many. */
    outliers: z.array(sizeSchema).max(boxOutliersMax),
    outlier_count: z.int().min(0),
  })
  .refine(
    ({ median, quartiles: [first, third], whiskers: [low, high] }) =>
      low <= first && first <= median && median <= third && third <= high,
    'the box is not in order',
  );

/** A mean over the sets of noise: the mean of each set and Student's interval of their mean. */
export const setMeansSchema = z.strictObject({
  mean: sizeSchema,
  ci95: intervalSchema,
  sets: z.array(sizeSchema).min(2).max(robustnessSetsMax),
});

/** NCCR in one unit: by set, and over the images, each image's value being its mean over the sets. */
export const nccrMeasureSchema = setMeansSchema.extend({ box: boxSchema });

/** Shares of images that a model labels right. */
export const robustnessAccuracySchema = z.strictObject({
  clean: rateSchema,
  /** Under the noise of the report: by set. */
  random_noise: setMeansSchema,
  /** Under PGD; null where nothing was attacked. */
  pgd: rateSchema.nullable(),
});

/** One model. */
export const modelRobustnessSchema = z.strictObject({
  name: nameSchema,
  digest: digestSchema,
  classes: z.int().min(2),
  /** Change of the centred logits relative to their norm: what is compared between models. */
  relative: nccrMeasureSchema,
  /** The paper's: l2 norm of the change of the logits, in their own unit. */
  l2: nccrMeasureSchema,
  accuracy: robustnessAccuracySchema,
  per_class: z
    .array(
      z.strictObject({
        label: z.int().min(0),
        images: z.int().positive(),
        relative: sizeSchema,
        l2: sizeSchema,
        accuracy: rateSchema,
      }),
    )
    .min(2)
    .max(robustnessClassesMax),
  /** Layers in the order of the model; the sum of the changes over the sum of the activations' norms. */
  per_layer: z
    .array(
      z.strictObject({
        tensor: nameSchema,
        neurons: z.int().positive(),
        relative: setMeansSchema,
        l2: sizeSchema,
      }),
    )
    .max(robustnessLayersMax),
});

/** What was measured of a model before, from an earlier report on the same images and noise. */
export const earlierModelSchema = z.strictObject({
  name: nameSchema,
  digest: digestSchema,
  created_at: z.iso.datetime(),
  relative: setMeansSchema.omit({ sets: true }),
  l2: setMeansSchema.omit({ sets: true }),
  clean: rateSchema,
  pgd: rateSchema.nullable(),
});

/** The report. */
export const robustnessReportSchema = z
  .strictObject({
    format: z.literal('nccr-guard/robustness-report'),
    format_version: z.literal(1),
    created_at: z.iso.datetime(),
    dataset: z.strictObject({ name: nameSchema, images: z.int().positive(), digest: digestSchema }),
    noise: z.strictObject({
      family: z.literal('gaussian'),
      /** Bound of a change, in units of the input; the deviation is half of it. */
      epsilon: z.number().positive(),
      sets: z.int().min(2).max(robustnessSetsMax),
      seed: z.int(),
      range: z.tuple([z.number(), z.number()]),
    }),
    /** Null where nothing was attacked. */
    attack: z
      .strictObject({
        name: z.literal('pgd'),
        epsilon: z.number().positive(),
        steps: z.int().positive(),
        images: z.int().positive(),
      })
      .nullable(),
    /** What ran the models. */
    device: nameSchema,
    models: z.array(modelRobustnessSchema).min(1).max(robustnessModelsMax),
    /** Oldest first. */
    earlier: z.array(earlierModelSchema).max(robustnessModelsMax * robustnessModelsMax),
  })
  .superRefine(({ models, noise }, context) => {
    const complain = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message });
    if (new Set(models.map(({ name }) => name)).size < models.length)
      complain(['models'], 'two have one name');
    for (const [index, { relative, l2, accuracy }] of models.entries()) {
      const counts = [relative, l2, accuracy.random_noise].map(({ sets }) => sets.length);
      if (counts.some((count) => count !== noise.sets)) {
        complain(['models', index], `not measured over ${noise.sets} sets of noise`);
      }
    }
  });

/** What a list of stored reports tells of one of them. */
export const robustnessSummarySchema = z.strictObject({
  id: z.string(),
  created_at: z.iso.datetime().describe('When it was sent in.'),
  created_by: z.string().describe('The principal that sent it.'),
  digest: digestSchema.describe('Of the bytes that were sent.'),
  made_at: z.iso.datetime().describe('When it was made.'),
  dataset: z.strictObject({ name: nameSchema, images: z.int().positive() }),
  epsilon: z.number().positive(),
  sets: z.int().positive(),
  models: z.array(earlierModelSchema.omit({ created_at: true })),
});

/** One page of the list. */
export const robustnessListSchema = z.strictObject({
  reports: z.array(robustnessSummarySchema),
  next_cursor: z.string().nullable(),
});

export type Box = z.infer<typeof boxSchema>;
export type SetMeans = z.infer<typeof setMeansSchema>;
export type NccrMeasure = z.infer<typeof nccrMeasureSchema>;
export type ModelRobustness = z.infer<typeof modelRobustnessSchema>;
export type EarlierModel = z.infer<typeof earlierModelSchema>;
export type RobustnessReport = z.infer<typeof robustnessReportSchema>;
export type RobustnessSummary = z.infer<typeof robustnessSummarySchema>;
export type RobustnessList = z.infer<typeof robustnessListSchema>;
