// A recording behind the whole guard of a speaker model: decoded, scored by its layers under three noises, and forwarded.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extract } from '../../gpu-worker/extraction/extract.ts';
import { detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { mlpOfArtefact, mlpScore } from '../../shared/detector/mlp.ts';
import { planVector } from '../../shared/maths/plan-vector.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { readRequest } from '../../shared/oip/read-message.ts';
import { apiToken, noiseKeyHex } from '../helpers/guarded-edge.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';
import { toneNet, toneRate, toneSamples, toneWindows } from '../helpers/tone-speakers.ts';
import { wavFile } from '../helpers/wav-file.ts';

const plan = extractionPlanSchema.parse({
  input_range: [-1, 1],
  noise: [0.001, 0.004, 0.012].map((epsilon) => ({ family: 'gaussian', epsilon, rows: 4, copies: 2 })),
  taps: [{ kind: 'levels', tensor: 'scores', levels: 3 }],
});
const spoken = [...toneWindows(1, 5).samples];

let guard: LenetEdge;
beforeAll(async () => {
  const speaker = {
    file: toneNet(),
    plan,
    design: 'layer-levels',
    audio: { sample_rate: toneRate },
  } as const;
  guard = await startLenetEdge({ mode: 'enforce', threshold: 1e6, ...speaker });
}, 120_000);
afterAll(() => guard?.stop());

const send = (path: string, body: Buffer) =>
  fetch(new URL(path, guard.edge.url), {
    method: 'POST',
    body: Uint8Array.from(body),
    headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'audio/wav' },
  });

describe('a recording for a speaker model', () => {
  it('reaches its server as the samples that the file holds', async () => {
    const answer = await send(`/v2/models/${guard.name}/infer`, wavFile({ samples: spoken }));
    expect(answer.status).toBe(200);
    const { headers, body } = guard.upstream.received.at(-1)!;
    const headerLength = String(headers['inference-header-content-length']);
    const { inputs } = readRequest({ bytes: body, headerLength });
    expect(inputs[0]).toMatchObject({ name: 'input', datatype: 'FP32', shape: [1, toneSamples] });
    expect([...(inputs[0].data as Float32Array)]).toEqual(spoken.map((sample) => sample / 32_768));
  });

  it('has the score that the parts give when they are put together by hand', async () => {
    const path = `/v1/guard/verdicts?model=${guard.name}`;
    const answer = await send(path, wavFile({ samples: spoken }));
    const verdict = verdictSchema.parse(await answer.json());
    const artefact = detectorArtefactSchema.parse(JSON.parse(new TextDecoder().decode(guard.artefact)));
    const x = Float32Array.from(spoken, (sample) => sample / 32_768);
    const selection = await selectRows(await importNoiseKeyHex(noiseKeyHex), artefact.plan, x);
    const { inputShape } = guard;
    const seen = await extract(guard.served.loaded, { x, inputShape, selections: [selection] });
    const vector = planVector({ ...seen, plan, classes: 3 }, 'layer-levels');
    const score = mlpScore(mlpOfArtefact(artefact), vector);
    expect(verdict.rows[0].input_digest).toBe(selection.inputDigest);
    expect(Math.abs(verdict.rows[0].score - score)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(score)));
  });

  it('is refused at another rate or length', async () => {
    const path = `/v2/models/${guard.name}/infer`;
    const before = guard.upstream.received.length;
    for (const file of [{ samples: spoken, sampleRate: 16_000 }, { samples: spoken.slice(1) }]) {
      expect((await send(path, wavFile(file))).status).toBe(422);
    }
    expect(guard.upstream.received).toHaveLength(before);
  });
});
