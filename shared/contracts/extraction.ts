// The plan of one compiled model, and the call that extracts logits and changes from it.
import { z } from 'zod';
import { activationNeuronsMax, bankRowsMax, copiesMax, projectedNeuronsMax, tapUnitsMax } from '../limits.ts';
import { screeningModes } from './screening.ts';
import { type Transform, transformSchema } from './transform.ts';

/** A SHA-256 digest as every contract writes it. */
export const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** Families of additive noise; their rows stand in the bank of the compiled graph. */
export const noiseFamilies = ['gaussian', 'uniform'] as const;

/** One segment of the noise bank and how many copies of an input draw from it. */
export const noiseSegmentSchema = z.strictObject({
  family: z.enum(noiseFamilies),
  /** Bound of the noise in units of the input; `gaussian` is N(0, (epsilon/2)^2) clipped to it. */
  epsilon: z.number().positive(),
  rows: z.int().min(1).max(bankRowsMax),
  copies: z.int().min(1).max(copiesMax),
});

/**
 * Neurons of a tensor that is too wide to be read as it is: `projectionSigns` make `neurons` directions of them. It is left out of
 * plans that read a tensor as it is.
 */
const projectedFromSchema = z
  .int()
  .min(activationNeuronsMax + 1)
  .max(projectedNeuronsMax);

/** What is read from one tensor of the protected model: see `changeColumns`. */
export const tapSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('layer'), tensor: z.string().min(1) }),
  /** A layer's change under each segment of the noise apart. */
  z.strictObject({
    kind: z.literal('levels'),
    tensor: z.string().min(1),
    /** Segments of the plan's noise. */
    levels: z.int().min(1).max(copiesMax),
  }),
  z.strictObject({
    kind: z.literal('channels'),
    tensor: z.string().min(1),
    index: z.array(z.int().min(0)).min(1),
  }),
  z.strictObject({
    kind: z.literal('neurons'),
    tensor: z.string().min(1),
    index: z.array(z.int().min(0)).min(1),
  }),
  /** Every channel, or neuron of a tensor without positions, under the copy that is one of the plan's transforms. */
  z.strictObject({
    kind: z.literal('units'),
    tensor: z.string().min(1),
    /** Which of the plan's transforms, from 0. */
    transform: z.int().min(0),
    /** Units of the tensor: its first extent behind the batch. */
    units: z.int().min(1).max(tapUnitsMax),
  }),
  /** The activations of the input itself, one value a neuron. */
  z.strictObject({
    kind: z.literal('activations'),
    tensor: z.string().min(1),
    neurons: z.int().min(1).max(activationNeuronsMax),
    projected_from: projectedFromSchema.optional(),
  }),
  /** The signed change of every neuron, averaged over all copies: what screening clusters. */
  z.strictObject({
    kind: z.literal('drifts'),
    tensor: z.string().min(1),
    neurons: z.int().min(1).max(activationNeuronsMax),
    projected_from: projectedFromSchema.optional(),
  }),
]);

/** How a model's inputs are perturbed and what is read from it. */
export const extractionPlanSchema = z
  .strictObject({
    /** Lowest and highest valid value of the input; perturbed copies are clipped to it. */
    input_range: z.tuple([z.number(), z.number()]),
    /** Copies with additive noise; they come first. */
    noise: z.array(noiseSegmentSchema),
    /** Copies that are transforms of the input, one each; they follow the noise. */
    transforms: z.array(transformSchema).default([]),
    /**
     * Id of the noise key that draws, in place of each of `transforms`, one around it: see `drawTransforms`. The drawn ones
     * stand in the compiled graph alone, which is as secret as its noise bank. Without it they are as listed.
     */
    transforms_key_id: z.string().min(1).optional(),
    taps: z.array(tapSchema),
    /**
     * Where a graph runs a part of the plan alone, what it runs, rising: 0 is the input itself, the others are the copies in
     * their order, from 1. Noise is selected and transforms are drawn as for the whole plan.
     */
    only: z.array(z.int().min(0).max(copiesMax)).min(1).optional(),
  })
  .refine((plan) => plan.input_range[0] < plan.input_range[1], 'input_range must rise')
  .refine((plan) => planCopies(plan) > 0, 'a plan makes at least one copy: noise or a transform')
  .refine((plan) => planCopies(plan) <= copiesMax, `at most ${copiesMax} copies in all`)
  .refine(
    ({ taps, transforms }) => taps.every((tap) => tap.kind !== 'units' || tap.transform < transforms.length),
    'a tap of units names one of the transforms',
  )
  .refine(
    ({ taps, noise }) => taps.every((tap) => tap.kind !== 'levels' || tap.levels === noise.length),
    'a tap of levels has one a segment of the noise',
  )
  .refine((plan) => planUnits(plan) <= tapUnitsMax, `at most ${tapUnitsMax} tapped units in all`)
  .refine(
    (plan) => isRising(plan.only ?? []) && (plan.only ?? []).every((run) => run <= planCopies(plan)),
    'only rises and names copies of the plan',
  )
  .refine(
    ({ only, taps }) =>
      only === undefined ||
      taps.length === 0 ||
      (only.includes(0) && taps.every(({ kind }) => kind === 'activations')),
    'a part of a plan has no taps but those of the activations of the input, and then runs it',
  );

export type NoiseSegment = z.infer<typeof noiseSegmentSchema>;
export type Tap = z.infer<typeof tapSchema>;
export type ExtractionPlan = z.infer<typeof extractionPlanSchema>;

/** What a compiled graph says of itself (stored in its ONNX metadata under `compiledModelKey`). */
export const compiledModelSchema = z.strictObject({
  format: z.literal('nccr-guard/compiled-model'),
  format_version: z.literal(1),
  model: z.strictObject({
    name: z.string().min(1),
    /** Digest of the protected model's file. */
    digest: digestSchema,
    /** Name of the protected model's own input, and its shape without the batch. */
    input_name: z.string(),
    input_shape: z.array(z.int().positive()),
    /** Name of the protected model's own logits. */
    output_name: z.string(),
    classes: z.int().min(2),
  }),
  plan: extractionPlanSchema,
  /** What the vectors of a graph for screening are; absent where it serves a guard. */
  screening: z.enum(screeningModes).optional(),
  /** Which key made the bank: see `NoiseKey`. */
  noise_key_id: z.string(),
});

export type CompiledModel = z.infer<typeof compiledModelSchema>;

/** Key of the ONNX metadata entry that holds a `CompiledModel` as JSON. */
export const compiledModelKey = 'nccr_guard';

/**
 * Tensor names of every compiled graph. `noise_rows` and `noise_signs` are there only where the plan has noise, `changes`
 * only where it has taps.
 */
export const compiledTensors = {
  input: 'x',
  noiseRows: 'noise_rows',
  noiseSigns: 'noise_signs',
  logits: 'logits',
  changes: 'changes',
} as const;

/** Names of the flat OIP parameters by which a gpu-worker says which model answered. */
export const extractionParameters = {
  modelDigest: 'guard_model_digest',
  compiledDigest: 'guard_compiled_digest',
  noiseKeyId: 'guard_noise_key_id',
  planDigest: 'guard_plan_digest',
  /** One of `screeningModes`, of a model's version for screening alone. */
  screening: 'guard_screening',
  /** Of a model's metadata alone: which engine runs it and how far it is from the processor, where it is not the processor. */
  engine: 'guard_engine',
  selfCheckError: 'guard_self_check_error',
  /** Lowest and highest valid value of the input, of such a version. */
  inputLow: 'guard_input_low',
  inputHigh: 'guard_input_high',
  /** Neurons whose projection such a version gives; left out where it gives them as they are. */
  projectedFrom: 'guard_projected_from',
} as const;

/** The part of a plan that says which copies it makes. */
export interface CopiesPlan {
  readonly noise: readonly NoiseSegment[];
  readonly transforms: readonly Transform[];
}

/** Number of copies with noise that a plan makes of each input: N, the width of `noise_rows` and `noise_signs`. */
export function planNoiseCopies(plan: Pick<CopiesPlan, 'noise'>): number {
  return plan.noise.reduce((sum, segment) => sum + segment.copies, 0);
}

/**
 * Number of all perturbed copies that a plan makes of each input: those with noise, then one a transform. The logits of a
 * compiled graph are [R, planCopies + 1, K], the input itself first.
 */
export function planCopies(plan: CopiesPlan): number {
  return planNoiseCopies(plan) + plan.transforms.length;
}

/** What a graph of a plan runs, rising: 0 is the input itself, the others are its copies. The logits are [R, runs, K]. */
export function planRuns(plan: CopiesPlan & Pick<ExtractionPlan, 'only'>): number[] {
  return plan.only ?? Array.from({ length: planCopies(plan) + 1 }, (_, run) => run);
}

/** Number of rows of a plan's noise bank; segments follow each other in the plan's order. */
export function planBankRows(plan: { readonly noise: readonly NoiseSegment[] }): number {
  return plan.noise.reduce((sum, segment) => sum + segment.rows, 0);
}

/** One column of `changes [R, D]`. */
export interface ChangeColumn {
  readonly tensor: string;
  /**
   * `change`: mean of |F(x') - F(x)|; `drift`: mean of F(x') - F(x), of units and neurons; `base`: mean of |F(x)| on the input
   * itself; `activation`: F(x).
   */
  readonly quantity: 'change' | 'drift' | 'base' | 'activation';
  /** What the mean is over: of a `unit` its positions under one transform, of a `level` the copies of one segment of noise, of the others all copies too. */
  readonly unit:
    | { readonly kind: 'layer' }
    | { readonly kind: 'level'; readonly index: number }
    | { readonly kind: 'channel' | 'neuron'; readonly index: number }
    | { readonly kind: 'unit'; readonly index: number; readonly transform: number };
}

/** What a tap of units gives of each of them, in the order of its columns: all of one quantity, then all of the next. */
export const unitQuantities = ['change', 'drift', 'base'] as const;

/**
 * Columns of `changes`, in the order of the plan's taps: a layer gives its change (or one a level) and its base, channels and neurons a
 * change each, units their changes, then their drifts, then their bases, activations a value and drifts a drift a neuron.
 */
export function changeColumns(plan: { readonly taps: readonly Tap[] }): ChangeColumn[] {
  return plan.taps.flatMap(tapColumns);
}

/** Columns of one tap. */
export function tapColumns(tap: Tap): ChangeColumn[] {
  const { kind, tensor } = tap;
  switch (kind) {
    case 'layer':
      return [
        { tensor, quantity: 'change', unit: { kind: 'layer' } },
        { tensor, quantity: 'base', unit: { kind: 'layer' } },
      ];
    case 'levels':
      return [
        ...Array.from({ length: tap.levels }, (_, index): ChangeColumn => {
          return { tensor, quantity: 'change', unit: { kind: 'level', index } };
        }),
        { tensor, quantity: 'base', unit: { kind: 'layer' } },
      ];
    case 'channels':
    case 'neurons': {
      const unit = kind === 'channels' ? 'channel' : 'neuron';
      return tap.index.map((index) => ({ tensor, quantity: 'change', unit: { kind: unit, index } }));
    }
    case 'activations':
    case 'drifts': {
      const quantity = kind === 'drifts' ? 'drift' : 'activation';
      return Array.from({ length: tap.neurons }, (_, index): ChangeColumn => {
        return { tensor, quantity, unit: { kind: 'neuron', index } };
      });
    }
    case 'units': {
      const { transform, units } = tap;
      return unitQuantities.flatMap((quantity) =>
        Array.from({ length: units }, (_, index): ChangeColumn => {
          return { tensor, quantity, unit: { kind: 'unit', index, transform } };
        }),
      );
    }
  }
}

/** How many neurons a plan of screening projects onto fewer; undefined where it reads them as they are. */
export function projectedNeurons({ taps }: { readonly taps: readonly Tap[] }): number | undefined {
  const [tap] = taps;
  return tap !== undefined && 'projected_from' in tap ? tap.projected_from : undefined;
}

/** Number of units that a plan's taps of units read in all. */
export function planUnits({ taps }: { readonly taps: readonly Tap[] }): number {
  return taps.reduce((sum, tap) => sum + (tap.kind === 'units' ? tap.units : 0), 0);
}

function isRising(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value > values[index - 1]);
}
