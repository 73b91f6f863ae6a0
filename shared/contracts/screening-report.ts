// Contract of the report of a screening: what was screened, what was found, and bounded pictures of it.
import { z } from 'zod';
import {
  nameCharactersMax,
  ordinaryThumbnailsMax,
  pictureClassPointsMax,
  pictureSilhouettesMax,
  suspectNameCharactersMax,
  thumbnailBytesMax,
} from '../limits.ts';
import { digestSchema } from './extraction.ts';
import { outlierRowsOf, screeningModes, screeningSchema } from './screening.ts';

const nameSchema = z.string().min(1).max(nameCharactersMax);
const countSchema = z.int().min(0);
const labelSchema = z.int().min(0);
const labelsSchema = z.array(labelSchema);

/** One cluster of a pictured class. */
export const picturedClusterSchema = z.strictObject({
  /**
   * Principal components 1 and 2 of the whitened vectors, of examples drawn without replacement, in the order of the draw: each
   * beginning of the list is a sample too.
   */
  points: z.array(z.tuple([z.number(), z.number()])).max(pictureClassPointsMax),
  /** Silhouette coefficients, falling; where there are more than fit, evenly spaced ones of the sorted list. */
  silhouettes: z.array(z.number().min(-1).max(1)).max(pictureSilhouettesMax),
});

/** Picture of one judged class; the clusters are those of its verdict, in the same order. */
export const classPictureSchema = z.strictObject({
  label: labelSchema,
  clusters: z.tuple([picturedClusterSchema, picturedClusterSchema]),
  /** Rows of a poisoned class that are not suspects, drawn for comparison; none of a clean class. */
  ordinary_rows: z.array(countSchema).max(ordinaryThumbnailsMax),
});

/** A small image of one example. */
export const thumbnailSchema = z.strictObject({
  row: countSchema,
  media_type: z.enum(['image/png', 'image/jpeg']),
  /** The file in base64. */
  data: z.base64().max(4 * Math.ceil(thumbnailBytesMax / 3)),
});

/** What is known of a data set whose poison was planted, against what was found. Counts are of examples. */
export const screeningTruthSchema = z.strictObject({
  poison: countSchema,
  true_positives: countSchema,
  false_positives: countSchema,
  false_negatives: countSchema,
  /** Null where there is neither poison nor a suspect. */
  f1: z.number().min(0).max(1).nullable(),
  /** Classes that hold poison. */
  planted: labelsSchema,
  /** Classes that are called poisoned and hold none. */
  false_classes: labelsSchema,
  /** Classes that hold poison and are not called so. */
  missed_classes: labelsSchema,
});

/** The report. */
export const screeningReportSchema = z
  .strictObject({
    format: z.literal('nccr-guard/screening-report'),
    format_version: z.literal(1),
    /** Of the job that made it. */
    id: nameSchema.optional(),
    dataset: z.strictObject({
      name: nameSchema,
      /** How it came, such as `npz` or `tar`. */
      format: nameSchema,
      /** Of the bytes as they came. */
      digest: digestSchema,
      /** By label; the last classes of the model may be without one. */
      class_names: z.array(nameSchema).optional(),
    }),
    model: z.strictObject({
      name: nameSchema,
      digest: digestSchema,
      compiled_digest: digestSchema.optional(),
    }),
    mode: z.enum(screeningModes),
    /** Where the penultimate layer is too wide: its neurons, and onto how many directions they were projected. */
    projection: z.strictObject({ from: z.int().positive(), to: z.int().positive() }).optional(),
    /** Left out where the same input has to give the same bytes. */
    times: z.strictObject({ started_at: z.iso.datetime(), finished_at: z.iso.datetime() }).optional(),
    /** Of the programs that took part, by name. */
    versions: z.record(nameSchema, nameSchema),
    screening: screeningSchema,
    /** By ascending label: every poisoned class, and of the others those with the highest separation. */
    pictures: z.array(classPictureSchema),
    /** Of the likeliest suspects of each class, and of its ordinary rows. */
    thumbnails: z.array(thumbnailSchema),
    /** Names of the files of suspects, outliers and others that are shown, by ascending row; where the examples came as files. */
    suspect_files: z
      .array(z.strictObject({ row: countSchema, name: z.string().min(1).max(suspectNameCharactersMax) }))
      .optional(),
    truth: screeningTruthSchema.optional(),
  })
  .superRefine(({ dataset, screening, pictures, thumbnails, suspect_files = [] }, context) => {
    const complain = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const judged = screening.verdicts.filter(({ verdict }) => verdict !== 'too_small');
    const judgedLabels = new Set(judged.map(({ label }) => label));
    if (!isRising(pictures.map(({ label }) => label))) complain('pictures', 'are not by ascending label');
    if (!pictures.every(({ label }) => judgedLabels.has(label))) {
      complain('pictures', 'show a class that was not judged');
    }
    const suspects = new Set(
      screening.verdicts.flatMap((each) =>
        each.verdict === 'poisoned' ? each.suspects.map(({ row }) => row) : [],
      ),
    );
    const shown = new Set([...suspects, ...pictures.flatMap(({ ordinary_rows }) => ordinary_rows)]);
    const named = new Set([...shown, ...screening.verdicts.flatMap(outlierRowsOf)]);
    if (!thumbnails.every(({ row }) => shown.has(row))) complain('thumbnails', 'show no suspect');
    if (!isRising(suspect_files.map(({ row }) => row))) complain('suspect_files', 'are not by ascending row');
    if (!suspect_files.every(({ row }) => named.has(row))) complain('suspect_files', 'name no suspect');
    if ((dataset.class_names ?? []).length > screening.classes) {
      complain('dataset', 'names more classes than the model has');
    }
  });

function isRising(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value > values[index - 1]);
}

export type ClassPicture = z.infer<typeof classPictureSchema>;
export type PicturedCluster = z.infer<typeof picturedClusterSchema>;
export type Thumbnail = z.infer<typeof thumbnailSchema>;
export type ScreeningTruth = z.infer<typeof screeningTruthSchema>;
export type ScreeningReport = z.infer<typeof screeningReportSchema>;
