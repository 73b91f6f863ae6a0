// The table of a detection experiment: designs and baselines on the same examples, as it is stored and reported.
import { z } from 'zod';

const rateSchema = z.number().min(0).max(1);

/** A rate over the seeds: its mean and sample standard deviation. */
export const spreadSchema = z.strictObject({ mean: rateSchema, deviation: z.number().min(0) });

/** Low and high end of a 95 % interval. */
export const rateIntervalSchema = z.tuple([rateSchema, rateSchema]);

/** False positive rate, true positive rate. */
export const rocPointSchema = z.tuple([rateSchema, rateSchema]);

/** Points that a stored ROC curve has at most. */
export const rocPointsMax = 64;

/** One way of scoring on one set of examples. */
export const tableCellSchema = z.strictObject({
  auroc: spreadSchema,
  tpr_at_fpr_5: spreadSchema,
  tpr_at_fpr_1: spreadSchema,
  /** Ends of the interval, averaged over the seeds; absent from a table that was made without its scores. */
  tpr_at_fpr_5_ci95: rateIntervalSchema.optional(),
  tpr_at_fpr_1_ci95: rateIntervalSchema.optional(),
  /** Mean forward passes of these examples by the first seed, where they depend on the input. */
  forwards: z.number().min(0).optional(),
  /** Of the first seed, from (0, 0) rising to (1, 1). */
  roc: z.array(rocPointSchema).max(rocPointsMax).optional(),
});

/** One set of examples, by every way of scoring. */
export const tableRowSchema = z.strictObject({
  attack: z.string().min(1),
  attacked: z.int().positive(),
  successes: z.int().positive(),
  cells: z.record(z.string(), tableCellSchema),
});

/** The middle half of some measurements. */
export const quartilesSchema = z.strictObject({
  median: z.number().min(0),
  /** First and third. */
  quartiles: z.tuple([z.number().min(0), z.number().min(0)]),
});

/** What every way of scoring takes for one input, all measured in one run. */
export const tableCostsSchema = z.strictObject({
  /** Clean inputs that were timed. */
  inputs: z.int().positive(),
  device: z.string(),
  /** One forward pass of the bare model, in milliseconds. */
  bare_ms: quartilesSchema,
  /** One gradient of a loss by the input, relative to that pass. */
  gradient_ratio: quartilesSchema,
  methods: z.record(
    z.string(),
    z.strictObject({
      /** Forward passes of the model that an input needs; a gradient counts as the median of `gradient_ratio`. */
      forwards: z.number().min(0),
      ms: quartilesSchema,
      /** Time relative to one forward pass of the bare model. */
      ratio: quartilesSchema,
      /** Time of all inputs relative to that of as many passes: what a test that ends early costs on average. */
      mean_ratio: z.number().min(0),
    }),
  ),
});

/** One row of the train-by-test matrix: a design trained on these attacks and on no others. */
export const matrixRowSchema = z.strictObject({
  design: z.string().min(1),
  trained_on: z.array(z.string().min(1)).min(1),
  /** By the attack tested. */
  cells: z.record(
    z.string(),
    tableCellSchema.pick({ auroc: true, tpr_at_fpr_5: true, tpr_at_fpr_1: true }).extend({
      /** The paper's AUROC, by its table and network; absent where it has none. */
      paper: z.record(z.string(), rateSchema).optional(),
    }),
  ),
});

/** The table. `false_positives` is by shift, `clean` first, at the threshold of the target rate. */
export const detectionTableSchema = z
  .strictObject({
    model: z.string().min(1),
    /** Where the test inputs come from. */
    dataset: z.string().min(1).optional(),
    images: z.strictObject({
      training: z.int().positive(),
      threshold: z.int().positive(),
      test: z.int().positive(),
    }),
    seeds: z.array(z.int()).min(1),
    target_fpr: z.number().gt(0).lt(1),
    /** What ways of scoring had to be set to for this model, by their names. */
    settings: z.record(z.string(), z.string()).optional(),
    rows: z.array(tableRowSchema).min(1),
    false_positives: z.record(z.string(), z.record(z.string(), spreadSchema)),
    /** Absent where no time was measured. */
    costs: tableCostsSchema.optional(),
    matrix: z.array(matrixRowSchema).min(1).optional(),
  })
  .superRefine(({ rows, false_positives, costs, matrix = [] }, context) => {
    // Without a row the array's own check has complained already.
    if (rows.length === 0) return;
    const names = Object.keys(rows[0].cells).sort().join();
    const complain = (path: (string | number)[]) =>
      context.addIssue({ code: 'custom', path, message: `not scored in the same ways as ${rows[0].attack}` });
    if (names === '') context.addIssue({ code: 'custom', path: ['rows', 0, 'cells'], message: 'is empty' });
    for (const [index, { cells }] of rows.entries()) {
      if (Object.keys(cells).sort().join() !== names) complain(['rows', index, 'cells']);
    }
    for (const [shift, cells] of Object.entries(false_positives)) {
      if (Object.keys(cells).sort().join() !== names) complain(['false_positives', shift]);
    }
    if (costs !== undefined && Object.keys(costs.methods).sort().join() !== names)
      complain(['costs', 'methods']);
    const attacks = new Set(rows.map(({ attack }) => attack));
    for (const [index, { cells }] of matrix.entries()) {
      const unknown = Object.keys(cells).find((attack) => !attacks.has(attack));
      if (unknown === undefined) continue;
      const message = `the table has no row ${unknown}`;
      context.addIssue({ code: 'custom', path: ['matrix', index, 'cells'], message });
    }
  });

export type Spread = z.infer<typeof spreadSchema>;
export type RateInterval = z.infer<typeof rateIntervalSchema>;
export type RocPoint = z.infer<typeof rocPointSchema>;
export type TableCell = z.infer<typeof tableCellSchema>;
export type Quartiles = z.infer<typeof quartilesSchema>;
export type TableCosts = z.infer<typeof tableCostsSchema>;
export type MatrixRow = z.infer<typeof matrixRowSchema>;
export type TableRow = z.infer<typeof tableRowSchema>;
export type DetectionTable = z.infer<typeof detectionTableSchema>;
