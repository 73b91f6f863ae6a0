// The part of an extraction that a smaller plan would have given: one run of all copies serves every plan within it.
import { type ExtractionPlan, planCopies, planNoiseCopies } from '../../shared/contracts/extraction.ts';
import type { Transform } from '../../shared/contracts/transform.ts';
import { type ExtractedRows, rowLogits } from './extract-rows.ts';

/** Which copies of a plan are kept. */
export interface KeptCopies {
  /** All copies with noise, or none. */
  readonly noise: boolean;
  /** Some of the plan's own, in any order. */
  readonly transforms: readonly Transform[];
}

/** The plan that makes the kept copies and no other; it reads no tap. */
export function narrowPlan(plan: ExtractionPlan, { noise, transforms }: KeptCopies): ExtractionPlan {
  return {
    ...plan,
    noise: noise ? plan.noise : [],
    transforms: plan.transforms.filter((transform) => transforms.includes(transform)),
    taps: [],
  };
}

/** Logits of the kept copies, as the narrower plan orders them; the input's own stand before them. */
export function narrowRows(rows: ExtractedRows, kept: KeptCopies): ExtractedRows {
  const { plan, model } = rows.compiled;
  const { classes } = model;
  const narrow = narrowPlan(plan, kept);
  const noiseCopies = planNoiseCopies(plan);
  const copies = [
    0,
    ...(kept.noise ? Array.from({ length: noiseCopies }, (_, copy) => copy + 1) : []),
    ...narrow.transforms.map((transform) => noiseCopies + 1 + plan.transforms.indexOf(transform)),
  ];
  const width = (planCopies(narrow) + 1) * classes;
  const logits = new Float32Array(rows.count * width);
  for (let row = 0; row < rows.count; row++) {
    const own = rowLogits(rows, row);
    for (const [place, copy] of copies.entries()) {
      logits.set(own.subarray(copy * classes, (copy + 1) * classes), row * width + place * classes);
    }
  }
  return { count: rows.count, compiled: { ...rows.compiled, plan: narrow }, logits };
}
