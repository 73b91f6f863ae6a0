import { describe, expect, it } from 'vitest';
import type { ExtractedRows } from '../../../gpu-worker/calibrate/extract-rows.ts';
import { narrowPlan, narrowRows } from '../../../gpu-worker/calibrate/narrow-rows.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../../shared/contracts/extraction.ts';

const plan: ExtractionPlan = extractionPlanSchema.parse({
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 8, copies: 2 }],
  transforms: [{ family: 'mirror' }, { family: 'median', size: 3 }, { family: 'bit-depth', bits: 1 }],
  taps: [{ kind: 'layer', tensor: 'conv1' }],
});
const [mirror, , bits] = plan.transforms;
const model = { input_name: 'x', input_shape: [1], output_name: 'y', classes: 2, name: 'm', digest: '' };
/** Two rows of six copies and two classes: each logit says its row, its copy and its class. */
const rows: ExtractedRows = {
  count: 2,
  compiled: { format: 'nccr-guard/compiled-model', format_version: 1, model, plan, noise_key_id: 'k' },
  logits: Float32Array.from(
    { length: 24 },
    (_, index) => 100 * Math.floor(index / 12) + 10 * (Math.floor(index / 2) % 6) + (index % 2),
  ),
};

describe('the rows of a narrower plan', () => {
  it('are the input and the kept transforms, in the order of the plan and not of the request', () => {
    const narrow = narrowRows(rows, { noise: false, transforms: [bits, mirror] });
    expect(narrow.compiled.plan.transforms).toEqual([mirror, bits]);
    expect(narrow.compiled.plan.noise).toEqual([]);
    expect([...narrow.logits]).toEqual([0, 1, 30, 31, 50, 51, 100, 101, 130, 131, 150, 151]);
  });

  it('keep the copies with noise before the transforms', () => {
    const narrow = narrowRows(rows, { noise: true, transforms: [bits] });
    expect([...narrow.logits.subarray(0, 8)]).toEqual([0, 1, 10, 11, 20, 21, 50, 51]);
    expect([...narrowRows(rows, { noise: true, transforms: [] }).logits.subarray(0, 6)]).toEqual([
      0, 1, 10, 11, 20, 21,
    ]);
  });

  it('are all of them where everything is kept, and none of no rows', () => {
    const all = { noise: true, transforms: plan.transforms };
    expect(narrowRows(rows, all).logits).toEqual(rows.logits);
    const none = narrowRows({ ...rows, count: 0, logits: new Float32Array(0) }, all);
    expect(none.logits).toHaveLength(0);
  });

  it('are of a plan that reads no tap and stays a plan', () => {
    const narrow = narrowPlan(plan, { noise: false, transforms: [mirror] });
    expect(narrow.taps).toEqual([]);
    expect(extractionPlanSchema.parse(narrow)).toEqual(narrow);
  });
});
