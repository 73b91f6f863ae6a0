// The table of a screening experiment: our screening and baselines on training sets whose poison is known.
import { z } from 'zod';
import { digestSchema } from './extraction.ts';

const rateSchema = z.number().min(0).max(1);
const labelsSchema = z.array(z.int().min(0));

/** One method on one set. */
export const methodScoreSchema = z.strictObject({
  /** Of the suspects against the planted rows; null where nothing is planted, so that there is nothing to find. */
  f1: rateSchema.nullable(),
  precision: rateSchema.nullable(),
  recall: rateSchema.nullable(),
  /** Labels called poisoned; null of a method that judges examples and no classes. */
  flagged: labelsSchema.nullable(),
  /** Those among them that hold no planted row. */
  false_classes: labelsSchema.nullable(),
  /** Share of the rows without a trigger that is suspected. */
  clean_flagged: rateSchema,
  /** Extraction and analysis, in seconds. */
  seconds: z.number().min(0),
});

/** The labels that our screening calls poisoned under one seed. */
export const seedVerdictSchema = z.strictObject({
  method: z.string().min(1),
  seed: z.int(),
  flagged: labelsSchema,
  f1: rateSchema.nullable(),
});

/** One set by every method. */
export const screeningRowSchema = z.strictObject({
  name: z.string().min(1),
  /** What was planted; null where nothing was. */
  trigger: z.string().min(1).nullable(),
  /** Whether the planted rows kept their labels. */
  clean_label: z.boolean(),
  /** Label of the planted rows; null where there are none. */
  target: z.int().min(0).nullable(),
  /** Share that is planted: of all rows, with `clean_label` of the target class. */
  rate: rateSchema,
  examples: z.int().positive(),
  classes: z.int().min(3),
  planted: z.int().min(0),
  /** Rows of the target class without a trigger. */
  clean_in_target: z.int().min(0),
  model_digest: digestSchema,
  methods: z.record(z.string(), methodScoreSchema),
  /** Of our own methods, by every seed that was tried. */
  seeds: z.array(seedVerdictSchema),
});

/** The whole experiment. */
export const screeningTableSchema = z.strictObject({
  format: z.literal('nccr-guard/screening-table'),
  format_version: z.literal(1),
  /** What ran the models, for the times. */
  device: z.string(),
  /** How methods were set, in words, by their name. */
  settings: z.record(z.string(), z.string()),
  rows: z.array(screeningRowSchema).min(1),
});

export type MethodScore = z.infer<typeof methodScoreSchema>;
export type SeedVerdict = z.infer<typeof seedVerdictSchema>;
export type ScreeningRow = z.infer<typeof screeningRowSchema>;
export type ScreeningTable = z.infer<typeof screeningTableSchema>;
