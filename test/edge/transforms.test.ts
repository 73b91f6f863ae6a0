// LeNet-5 behind the whole guard under a plan of transforms alone, drawn by the key: nothing of it is on the wire.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { extract } from '../../gpu-worker/extraction/extract.ts';
import { detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { mlpOfArtefact, mlpScore } from '../../shared/detector/mlp.ts';
import { planVector } from '../../shared/maths/plan-vector.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { transformPresets } from '../../shared/noise/transform-presets.ts';
import { noiseKeyHex } from '../helpers/guarded-edge.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';

let plan: ExtractionPlan;
let guard: LenetEdge;
beforeAll(async () => {
  plan = extractionPlanSchema.parse({
    input_range: [0, 1],
    noise: [],
    transforms: transformPresets['w0-grey'],
    transforms_key_id: (await importNoiseKeyHex(noiseKeyHex)).id,
    taps: [],
  });
  guard = await startLenetEdge({ mode: 'enforce', threshold: 0, plan, design: 'margin-changes' });
}, 120_000);
afterAll(() => guard?.stop());

it('gives each row the score of its margin changes', async () => {
  const digits = [0, 1, 2].map((label) => drawDigit(label, 1));
  const shape = [digits.length, ...guard.inputShape];
  const data = digits.flatMap((row) => Array.from(row));
  const answer = await guard.call(`/v1/guard/verdicts?model=${guard.name}`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [{ name: guard.inputName, shape, datatype: 'FP32', data }] }),
  });
  expect(answer.status).toBe(200);
  const verdict = verdictSchema.parse(await answer.json());
  const artefact = detectorArtefactSchema.parse(JSON.parse(new TextDecoder().decode(guard.artefact)));
  const mlp = mlpOfArtefact(artefact);
  for (const [row, x] of digits.entries()) {
    const selections = [{ rows: [], signs: [] }];
    const { logits } = await extract(guard.served.loaded, { x, inputShape: guard.inputShape, selections });
    const vector = planVector({ logits, plan, classes: artefact.model.classes }, 'margin-changes');
    const score = mlpScore(mlp, vector);
    expect(Math.abs(verdict.rows[row].score - score)).toBeLessThanOrEqual(
      1e-6 * Math.max(1, Math.abs(score)),
    );
  }
});
