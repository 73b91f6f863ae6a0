// Wire shapes of a screening job: what is asked for, how its upload stands, how far it is, and why it failed.
import { z } from 'zod';
import { screeningSeedMax, webhookCharactersMax } from '../limits.ts';
import { problemSchema } from '../problem-response.ts';
import { digestSchema } from './extraction.ts';
import { nameSchema } from './inference.ts';
import { screeningModes } from './screening.ts';

/** How the training data is packed: see docs/operations.md. */
export const uploadFormats = ['npz', 'tar', 'cifar-binary', 'idx'] as const;
export type UploadFormat = (typeof uploadFormats)[number];

/** Name of the one file of a format that has one; an IDX data set has two. */
export const soleFile = 'data';

/** The files that a format is uploaded as. */
export const filesOfFormat: Readonly<Record<UploadFormat, readonly string[]>> = {
  npz: [soleFile],
  tar: [soleFile],
  'cifar-binary': [soleFile],
  idx: ['images', 'labels'],
};

const optionsSchema = z.strictObject({
  /** Must be what the model was compiled for; where it is not given, that is taken. */
  mode: z.enum(screeningModes).optional(),
  seed: z.int().min(0).max(screeningSeedMax).default(1),
  /** Where the channels of an npz's images stand; where it is not given, the shape says it. */
  layout: z.enum(['nchw', 'nhwc']).optional(),
  /** Of an npz of float32: lowest and highest value of a pixel; [0, 1] where it is not given. */
  pixel_range: z
    .tuple([z.number(), z.number()])
    .refine(([lowest, highest]) => lowest < highest, 'must rise')
    .optional(),
  /** Names of the arrays of an npz; `x` and `y`, or `images` and `labels`, where they are not given. */
  arrays: z.strictObject({ images: nameSchema, labels: nameSchema }).optional(),
  /** Of CIFAR's binary version: its classes, 10 where it is not given. */
  cifar_classes: z.union([z.literal(10), z.literal(100)]).optional(),
});

/** `POST /v1/screenings`. */
export const screeningRequestSchema = z.strictObject({
  model: nameSchema,
  format: z.enum(uploadFormats),
  /** What the report calls the data set; `upload` where it is not given. */
  dataset: nameSchema.optional(),
  options: optionsSchema.default({ seed: 1 }),
  /** Told when the job has ended. */
  webhook: z
    .url({ protocol: /^https?$/ })
    .max(webhookCharactersMax)
    .optional(),
});
export type ScreeningRequest = z.infer<typeof screeningRequestSchema>;

/** `uploading` until the upload is said to be complete; the last three are for ever. */
export const jobStates = ['uploading', 'running', 'completed', 'failed', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

/** What a running job is at, in their order. */
export const jobStages = ['ingest', 'extract', 'gather', 'judge', 'report'] as const;
export type JobStage = (typeof jobStages)[number];

/** One part of an upload that lies in the bucket. */
export const uploadedPartSchema = z.strictObject({
  part: z.int().min(1),
  bytes: z.int().min(0),
});

/** One file of an upload. */
export const uploadedFileSchema = z.strictObject({
  file: z.string(),
  parts: z.array(uploadedPartSchema),
});
export type UploadedFile = z.infer<typeof uploadedFileSchema>;

/** `GET /v1/screenings/{id}`. */
export const screeningJobSchema = z.strictObject({
  id: z.string(),
  state: z.enum(jobStates),
  /** Null unless the job runs. */
  stage: z.enum(jobStages).nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  model: z.string(),
  format: z.enum(uploadFormats),
  dataset: z.string().nullable(),
  options: optionsSchema,
  webhook: z.string().nullable(),
  /** What was sent so far; empty once the upload is complete. */
  upload: z.array(uploadedFileSchema),
  /** Digest of the files' own digests, by name; null until the upload was read. */
  dataset_digest: digestSchema.nullable(),
  counts: z.strictObject({
    /** Examples of the data set; null until all of it was read. */
    examples: z.int().min(0).nullable(),
    examples_read: z.int().min(0),
    examples_extracted: z.int().min(0),
    /** Classes that have examples; null until all of the data set was read. */
    classes: z.int().min(0).nullable(),
    classes_judged: z.int().min(0),
  }),
  /** By the rate measured over the last shards; null where nothing was measured yet, or nothing runs. */
  remaining_seconds: z.number().min(0).nullable(),
  /** Labels of the poisoned classes; null until the job is completed. */
  poisoned: z.array(z.int().min(0)).nullable(),
  /** Why it failed; null where it did not. */
  failure: problemSchema.nullable(),
});
export type ScreeningJob = z.infer<typeof screeningJobSchema>;

/** `GET /v1/screenings`. */
export const screeningListSchema = z.strictObject({
  screenings: z.array(screeningJobSchema),
  /** Given as `cursor` it continues the list; null at its end. */
  next_cursor: z.string().nullable(),
});

/** Whether a job will not change any more. */
export function hasEnded(state: JobState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}
