// The detector as it is stored, signed for one model and loaded by the edge.
import { z } from 'zod';
import { cleanQuantileCount } from '../detector/score-drift.ts';
import { activationNeuronsMax, copiesMax, detectorParametersMax, stagesMax } from '../limits.ts';
import { digestSchema, extractionPlanSchema } from './extraction.ts';

/** Vector designs over copies with noise: the paper's, `rank-gaps` (A) and `strict` (B). */
export const noiseDesigns = ['rank-gaps', 'strict'] as const;
export type NoiseDesign = (typeof noiseDesigns)[number];

/**
 * Vector designs: over noise, over the plan's transforms (`margin-changes`, W0), over both, and W0 with the relative changes
 * of neurons under one of the transforms (W0+N); for recordings the changes of layers under noise of several strengths.
 */
export const vectorDesigns = [
  ...noiseDesigns,
  'margin-changes',
  'margin-changes+rank-gaps',
  'margin-changes+neurons',
  'layer-levels',
] as const;
export type VectorDesign = (typeof vectorDesigns)[number];

/** What a design reads of an input: which parts its vector is made of. */
export const designReads: Readonly<
  Record<
    VectorDesign,
    {
      readonly noise?: NoiseDesign;
      readonly transforms?: true;
      readonly neurons?: true;
      readonly levels?: true;
    }
  >
> = {
  'rank-gaps': { noise: 'rank-gaps' },
  strict: { noise: 'strict' },
  'margin-changes': { transforms: true },
  'margin-changes+rank-gaps': { transforms: true, noise: 'rank-gaps' },
  'margin-changes+neurons': { transforms: true, neurons: true },
  'layer-levels': { levels: true },
};

/** Ranks of the logits that a vector reads; of many classes only the first ten tell anything. */
export const vectorRanksMax = 10;

const base64Schema = z.base64();

/** One fully connected layer. Weights are little-endian float32 in base64, row-major [outputs, inputs]. */
export const denseLayerSchema = z.strictObject({
  inputs: z.int().positive(),
  outputs: z.int().positive(),
  weights: base64Schema,
  biases: base64Schema,
});

/** Each number that is read is standardised as (v - mean) / deviation and clipped to ±clip. */
const standardiseSchema = z.strictObject({
  mean: z.array(z.number()),
  deviation: z.array(z.number().positive()),
  clip: z.number().positive(),
});

/**
 * A linear score of the relative changes of neurons, which the layers read as one number behind the rest of the vector. The
 * vector ends with the changes, drifts and sizes of the plan's units.
 */
export const linearHeadSchema = z.strictObject({
  /** Mean size of each unit over clean training inputs. Little-endian float32 in base64. */
  unit_means: base64Schema,
  /** Which of the relative changes it reads, rising: of units u the changes are 0 to u - 1, the drifts u to 2u - 1. */
  entries: z.array(z.int().min(0)).min(1),
  /** Of the entries that it reads. */
  standardise: standardiseSchema,
  /** One output. */
  layer: denseLayerSchema,
});

/** Ed25519 over the canonical JSON of the artefact without this member; the key is named by its digest. */
export const artefactSignatureSchema = z.strictObject({
  algorithm: z.literal('ed25519'),
  key_id: z.string().regex(/^[0-9a-f]{16}$/),
  value: z.base64(),
});

const shareSchema = z.number().min(0).max(1);

/** What an attack on the detector itself found: written by `detector attack --write-card`. */
export const attackCardSchema = z.strictObject({
  created_at: z.iso.datetime(),
  dataset: z.string(),
  images: z.int().positive(),
  parameters: z.strictObject({
    steps: z.int().positive(),
    draws: z.int().positive(),
    queries: z.int().positive(),
    seed: z.int(),
    slack: z.number(),
    confidence: z.number(),
  }),
  /** Effective accuracy: 1 less the share of the images that the model gets wrong and the guard passes. */
  clean: z.strictObject({ accuracy: shareSchema, effective_accuracy: shareSchema, blocked: shareSchema }),
  /** The strongest attack of each image, on the bare model and behind the guard. */
  budgets: z
    .array(
      z.strictObject({
        /** Radius in the max norm, in units of the input. */
        epsilon: z.number().positive(),
        worst_attack: z.string().min(1),
        effective_accuracy: shareSchema,
        effective_accuracy_bare: shareSchema,
      }),
    )
    .min(1),
  /** Signs of gradient masking that were raised: with any, the figures may be too good. */
  masking: z.array(z.string().min(1)),
});

/** The threshold of the inputs that the model gives one class, from clean inputs of that class alone. */
export const classThresholdSchema = z.strictObject({
  class: z.int().min(0),
  value: z.number(),
  fpr_ci95: z.tuple([z.number(), z.number()]),
  calibration_samples: z.int().positive(),
});

/** Fully connected layers with ReLU between them; the last has two outputs, clean and adversarial. */
const mlpSchema = z.strictObject({
  head: linearHeadSchema.optional(),
  layers: z.array(denseLayerSchema).min(1).max(4),
  /** Weights and biases of the head and the layers. */
  parameters: z.int().positive().max(detectorParametersMax),
});

/** Vectors with their scores: whoever loads the artefact scores them first and refuses it where they differ. */
const selfCheckSchema = z.strictObject({
  vectors: z.array(z.array(z.number())).min(1),
  scores: z.array(z.number()).min(1),
});

/** A threshold and what a calibration promises of it. */
const thresholdSchema = z.strictObject({
  /** An input is flagged where its score is greater. Scores are adversarial logit - clean logit. */
  value: z.number(),
  target_fpr: z.number().gt(0).lt(1),
  /** 95 % interval of the false positive rate that this calibration really has. */
  fpr_ci95: z.tuple([z.number(), z.number()]),
  calibration_samples: z.int().positive(),
  /** Quantiles of the clean scores at 0, 1, ... 100 %, which those of later are compared with; absent from artefacts of before. */
  clean_quantiles: z
    .array(z.number())
    .length(cleanQuantileCount)
    .refine(
      (values) => values.every((value, index) => index === 0 || values[index - 1] <= value),
      'quantiles rise',
    )
    .optional(),
  /** Classes whose inputs have a threshold of their own, rising; the others are judged by `value`. */
  per_class: z
    .array(classThresholdSchema)
    .min(1)
    .refine(
      (classes) => classes.every((own, index) => index === 0 || classes[index - 1].class < own.class),
      'classes are listed once each, rising',
    )
    .optional(),
});

/** One stage of a sequential test: what it runs, how it scores what is known by then, and which scores leave doubt. */
export const testStageSchema = z.strictObject({
  /** 0 is the input itself, then the copies of the plan from 1; rising. The graph is of the plan with `only` these. */
  runs: z.array(z.int().min(0).max(copiesMax)).min(1),
  standardise: standardiseSchema,
  mlp: mlpSchema,
  onnx: base64Schema,
  self_check: selfCheckSchema,
  /** The next stage is run where the score lies strictly between; null is no bound, and the last stage has none of both. */
  doubt: z.strictObject({ lower: z.number().nullable(), upper: z.number().nullable() }).optional(),
});

/** Gaussians of the plan's tapped activations, float32 in base64: see `ActivationGaussian`. */
const activationGaussianSchema = z.strictObject({
  neurons: z.int().positive().max(activationNeuronsMax),
  means: base64Schema,
  whitening: base64Schema,
});

/** A test that makes copies only while the score leaves doubt; its score is that of the stage at which it ends. */
export const sequentialTestSchema = z.strictObject({
  activations: activationGaussianSchema,
  /** What the same activations are projected on, float32 in base64: see `activationProjection`. */
  direction: base64Schema,
  stages: z.array(testStageSchema).min(2).max(stagesMax),
  /** Of the score at which the whole test ends. */
  threshold: thresholdSchema,
  /** Mean number of copies on the clean inputs that set the threshold. */
  clean_copies: z.number().min(0),
});

/** A check for inputs with the trigger of a backdoor, made from clean inputs alone: how far an activation lies from its class. */
export const triggerCheckSchema = z.strictObject({
  activations: activationGaussianSchema,
  /** Of the squared Mahalanobis distance from the class that the model names. */
  threshold: thresholdSchema,
});

const candidateNameSchema = z.strictObject({
  design: z.enum(vectorDesigns),
  noise_copies: z.int().min(0),
  /** Family and settings of each, in the order of the plan. */
  transforms: z.array(z.string().min(1)),
});

/** What cross-validation found of one design over some copies; every figure is a mean over the folds. */
export const candidateReportSchema = candidateNameSchema.extend({
  parameters: z.int().positive(),
  /** The input and its copies. */
  forwards: z.int().positive(),
  /** Mean AUROC of the attacks that end on the boundary, and of those that keep to a radius. */
  auroc_smallest: shareSchema,
  auroc_fixed: shareSchema,
  worst_attack: z.strictObject({ attack: z.string().min(1), auroc: shareSchema }),
  worst_shift: z.strictObject({ shift: z.string().min(1), fpr: shareSchema }),
  /** What the rule compares. */
  value: z.number(),
});

/** How a design and its copies were chosen: written by `detector calibrate --auto`. */
export const selectionSchema = z.strictObject({
  folds: z.int().min(2),
  rule: z.string().min(1),
  reason: z.string().min(1),
  /** Which of the candidates; they fall by value. */
  chosen: z.int().min(0),
  candidates: z.array(candidateReportSchema).min(1),
  /** Candidates that were not tried, with more parameters than a detector may have. */
  too_large: z.array(candidateNameSchema.extend({ parameters: z.int().positive() })),
  /** Steps of training that the chosen one was given, and the value that each number of them reached. */
  training: z.strictObject({
    steps: z.int().positive(),
    tried: z.array(z.strictObject({ steps: z.int().positive(), value: z.number() })).min(1),
  }),
});

/** A detector for one model: how to extract, how to build the vector, how to score it, and where the threshold lies. */
export const detectorArtefactSchema = z.strictObject({
  format: z.literal('nccr-guard/detector'),
  format_version: z.literal(1),
  name: z.string().min(1),
  version: z.string().min(1),
  created_at: z.iso.datetime(),
  /** The model that this detector was calibrated for; it serves no other. */
  model: z.strictObject({
    name: z.string().min(1),
    digest: digestSchema,
    input_name: z.string().min(1),
    input_shape: z.array(z.int().positive()).min(1),
    output_name: z.string().min(1),
    classes: z.int().min(2),
  }),
  plan: extractionPlanSchema,
  vector: z.strictObject({ design: z.enum(vectorDesigns), length: z.int().positive() }),
  standardise: standardiseSchema,
  mlp: mlpSchema,
  /** The same standardisation and layers as an ONNX file: `vectors [n, length]` to `scores [n]`. */
  onnx: base64Schema,
  threshold: thresholdSchema,
  /** What the detector was made from. Digests are of the image rows used, so that sets can be shown to be disjoint. */
  calibration: z.strictObject({
    seed: z.int(),
    training: z.strictObject({ images: z.int(), digest: digestSchema, clean: z.int(), adversarial: z.int() }),
    threshold: z.strictObject({ images: z.int(), digest: digestSchema }),
    attacks: z.array(z.string()),
    dataset: z.string(),
    selection: selectionSchema.optional(),
    /** Share of the threshold's images, each changed in this way and still labelled right, that are flagged. */
    shifts: z
      .array(z.strictObject({ shift: z.string(), images: z.int().positive(), flagged: shareSchema }))
      .optional(),
  }),
  self_check: selfCheckSchema,
  /** Where there is one, the guard runs it in place of the whole plan; everything above is then its full test. */
  sequential: sequentialTestSchema.optional(),
  /** Where there is one, an input that exceeds its threshold is refused whatever the detector says of it. */
  trigger_check: triggerCheckSchema.optional(),
  card: attackCardSchema.optional(),
  signature: artefactSignatureSchema.optional(),
});

export type AttackCard = z.infer<typeof attackCardSchema>;
export type ArtefactSignature = z.infer<typeof artefactSignatureSchema>;
export type CandidateReport = z.infer<typeof candidateReportSchema>;
export type Selection = z.infer<typeof selectionSchema>;
export type ClassThreshold = z.infer<typeof classThresholdSchema>;
export type PackedHead = z.infer<typeof linearHeadSchema>;
export type DenseLayer = z.infer<typeof denseLayerSchema>;
export type SequentialTest = z.infer<typeof sequentialTestSchema>;
export type TriggerCheckArtefact = z.infer<typeof triggerCheckSchema>;
export type TestStageArtefact = z.infer<typeof testStageSchema>;
export type DetectorArtefact = z.infer<typeof detectorArtefactSchema>;
