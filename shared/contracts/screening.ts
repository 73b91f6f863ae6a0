// Contract of a screening: what was found in the training data, class by class.
import { z } from 'zod';
import { outlierRowsMax } from '../limits.ts';

/**
 * What is clustered of an example: `nccr` the signed change of the penultimate activation under noise that destroys the image,
 * `activation` that activation itself, which a third of the forward passes gives and which clusters all but alike.
 */
export const screeningModes = ['nccr', 'activation'] as const;
export type ScreeningMode = (typeof screeningModes)[number];

/** Version under which a gpu-worker serves the graph for screening, beside the graphs of a guard for the same model. */
export const screeningVersion = 'screening';

const labelSchema = z.int().min(0);

/** Thresholds by which classes were judged. */
export const screeningRuleSchema = z.strictObject({
  /** Examples under which a class is not judged. */
  examples_min: z.int().min(2),
  /** Examples under which a cluster is a handful of outliers: they are set aside, and the rest is clustered again. */
  cluster_examples_min: z.int().min(1),
  /** Evidence from which a class is poisoned: Ashman's D times the higher entropy as a share of log2(classes - 1). */
  evidence_min: z.number().positive(),
  /** Ashman's D along the first principal component from which it is, whatever the entropies are. */
  first_separation_min: z.number().positive(),
  /** Gap between the clusters' entropies from which the higher one is the poison, as a share of log2(classes - 1). */
  direction_share_min: z.number().min(0).max(1),
  /** The least that the higher entropy must be for that, as the same share. */
  direction_entropy_min: z.number().min(0).max(1),
});

/** One of the two clusters of a class. */
export const screenedClusterSchema = z.strictObject({
  examples: z.int().min(0),
  /** Of the runner-up labels, in bits. */
  entropy_bits: z.number().min(0),
});

/** An example that is taken for poison. */
export const suspectSchema = z.strictObject({
  /** Row in the data set. */
  row: z.int().min(0),
  /** Place on the line of centroids: 0 at the clean one, 1 at the poisoned one; above 0.5 but for rounding. */
  score: z.number(),
});

const judgedClass = {
  label: labelSchema,
  examples: z.int().positive(),
  /** Examples that were set aside; they count with the cluster that they are nearer to. */
  outliers: z.int().min(0),
  /** Their rows in the data set, ascending: the first `outlierRowsMax` of them; left out where there are none. */
  outlier_rows: z.array(z.int().min(0)).min(1).max(outlierRowsMax).optional(),
  /** Ashman's D of the clusters of all components. */
  separation: z.number().min(0),
  /** Ashman's D of two clusters along the first principal component alone. */
  first_separation: z.number().min(0),
  /** `separation` times the higher entropy as a share of the most that it can be. */
  evidence: z.number().min(0),
  /** Mean silhouette coefficient; reported, it decides nothing. */
  silhouette: z.number().min(-1).max(1),
  /** Whether that is of all examples or of a sample. */
  silhouette_exact: z.boolean(),
  /** By all components, or by the first alone where that is the reason. */
  clusters: z.tuple([screenedClusterSchema, screenedClusterSchema]),
};

/** The verdict on one class. */
export const classVerdictSchema = z.discriminatedUnion('verdict', [
  z.strictObject({ verdict: z.literal('too_small'), label: labelSchema, examples: z.int().positive() }),
  z.strictObject({ verdict: z.literal('clean'), ...judgedClass }),
  z.strictObject({
    verdict: z.literal('poisoned'),
    ...judgedClass,
    /** Which of `clusters` is the poison. */
    poison_cluster: z.union([z.literal(0), z.literal(1)]),
    /** Which of the rule's two bounds was reached; `evidence` where both were. */
    reason: z.enum(['evidence', 'first_separation']),
    /** `strong` where the entropies tell the clusters apart, `weak` where the smaller one was taken. */
    direction: z.enum(['strong', 'weak']),
    /** The poison cluster, likeliest first. */
    suspects: z.array(suspectSchema).min(1),
  }),
]);

/** Rows of a class's outliers, as far as they are listed. */
export function outlierRowsOf(verdict: ClassVerdict): readonly number[] {
  return verdict.verdict === 'too_small' ? [] : (verdict.outlier_rows ?? []);
}

/** The verdict on a data set. */
export const screeningSchema = z
  .strictObject({
    /** Classes of the model. */
    classes: z.int().min(3),
    examples: z.int().positive(),
    seed: z.int(),
    rule: screeningRuleSchema,
    /** Labels of the poisoned classes, ascending. */
    poisoned: z.array(labelSchema),
    /** Of each class that has examples, by ascending label. */
    verdicts: z.array(classVerdictSchema).min(1),
  })
  .superRefine(({ classes, examples, poisoned, verdicts }, context) => {
    const complain = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const labels = verdicts.map(({ label }) => label);
    if (labels.some((label, index) => index > 0 && label <= labels[index - 1])) {
      complain('verdicts', 'are not by ascending label');
    }
    if (labels.some((label) => label >= classes)) complain('verdicts', 'name a class that the model lacks');
    if (verdicts.reduce((sum, verdict) => sum + verdict.examples, 0) !== examples) {
      complain('examples', 'are not those of the verdicts');
    }
    const found = verdicts.filter(({ verdict }) => verdict === 'poisoned').map(({ label }) => label);
    if (found.join() !== poisoned.join()) complain('poisoned', 'does not list the classes judged so');
  });

export type ScreeningRule = z.infer<typeof screeningRuleSchema>;
export type Suspect = z.infer<typeof suspectSchema>;
export type ClassVerdict = z.infer<typeof classVerdictSchema>;
export type Screening = z.infer<typeof screeningSchema>;
