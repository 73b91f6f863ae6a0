// The paper's tables beside what was measured here, with the time that each method cost: what `nccr-guard reproduce` writes.
import { z } from 'zod';

/** One figure; null where the paper, or the data at hand, has none. */
export const reproducedCellSchema = z.strictObject({
  paper: z.number().nullable(),
  ours: z.number().nullable(),
});

/** A part of a table: one network or data set. Shares are from 0 to 1. */
export const reproducedGridSchema = z.strictObject({
  title: z.string().min(1),
  /** What the figures are. */
  unit: z.enum(['auroc', 'accuracy', 'f1']),
  columns: z.array(z.string().min(1)).min(1),
  /** A cell a column. */
  rows: z.array(z.strictObject({ label: z.string().min(1), cells: z.array(reproducedCellSchema) })).min(1),
});

/** What methods cost in one experiment. */
export const methodCostsSchema = z.strictObject({
  title: z.string().min(1),
  /** What the costs are in, such as `ms an input`. */
  unit: z.string().min(1),
  rows: z.array(z.strictObject({ method: z.string().min(1), cost: z.number().min(0) })).min(1),
});

/** A step of the work: one command. */
export const reproductionStepSchema = z.strictObject({
  name: z.string().min(1),
  /** The command's words: it can be run alone. */
  command: z.array(z.string()),
  /** `kept` from a run before, `missing` without its data, `failed` with the reason. */
  state: z.enum(['done', 'kept', 'missing', 'failed']),
  /** Time that the command took when it was run; null where it was not. */
  seconds: z.number().min(0).nullable(),
  detail: z.string().optional(),
  /** Page of the command's own figures, relative to the report. */
  page: z.string().optional(),
});

/** A table or a figure of the paper. */
export const reproducedTableSchema = z.strictObject({
  /** Such as `table-3`. */
  id: z.string().min(1),
  title: z.string().min(1),
  /** What is other here than in the paper. */
  notes: z.array(z.string().min(1)),
  grids: z.array(reproducedGridSchema),
  /** Statements about our figures, and whether each holds. */
  findings: z.array(z.strictObject({ holds: z.boolean(), sentence: z.string().min(1) })),
  costs: z.array(methodCostsSchema),
  /** Figures that were drawn: SVG files, relative to the report. */
  figures: z.array(z.strictObject({ title: z.string().min(1), path: z.string().min(1) })),
  steps: z.array(reproductionStepSchema),
});

/** The whole. */
export const reproductionSchema = z.strictObject({
  format: z.literal('nccr-guard/reproduction'),
  format_version: z.literal(1),
  created_at: z.iso.datetime(),
  /** Whether it is the short form, whose figures move with the draw of few images. */
  quick: z.boolean(),
  /** Digest of the source and of the versions of its packages. */
  code: z.string().min(1),
  machine: z.string().min(1),
  tables: z.array(reproducedTableSchema).min(1),
});

export type ReproducedCell = z.infer<typeof reproducedCellSchema>;
export type ReproducedGrid = z.infer<typeof reproducedGridSchema>;
export type MethodCosts = z.infer<typeof methodCostsSchema>;
export type ReproductionStep = z.infer<typeof reproductionStepSchema>;
export type ReproducedTable = z.infer<typeof reproducedTableSchema>;
export type Reproduction = z.infer<typeof reproductionSchema>;
