// Two implementations of one detector: the Worker's is used, the plain one checks it and stands in for it.
import { beforeEach, describe, expect, it } from 'vitest';
import { problemSchema } from '../../shared/problem-response.ts';
import { guardedEdge, resetFixtures } from '../helpers/guarded-edge.ts';

const guarded = guardedEdge({
  bindings: {
    GUARD_MODELS: JSON.stringify([
      ...['off', 'shadow', 'enforce'].map((name) => ({
        name,
        mode: 'enforce',
        artefact: `detectors/${name}.json`,
      })),
      { name: 'missing', mode: 'enforce', artefact: 'detectors/nowhere.json' },
      { name: 'borrowed', mode: 'enforce', artefact: 'detectors/off.json' },
    ]),
  },
  detectors: {
    // Standardised entries of the self-check lie within 1; those of a calm input do not, and the files part there.
    off: { onnxClip: 1 },
    shadow: { spoil: (artefact) => (artefact.onnx = btoa('no ONNX file')) },
    enforce: { spoil: (artefact) => (artefact.self_check.scores[1] += 1e-4) },
  },
});
beforeEach(() => resetFixtures(guarded));

describe('a detector', () => {
  it('whose ONNX file does not load is replaced by the plain one, which the verdict and a metric say', async () => {
    const answer = await guarded.infer('shadow');
    expect(answer.status).toBe(200);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'allow', detector: { scorer: 'typescript' } });
    const metrics = await (await guarded.call('/metrics')).text();
    expect(metrics).toMatch(/guard_scorer_fallbacks_total\{model="shadow"\} [1-9]/);
    const ready = await guarded.call('/v2/models/shadow/ready');
    expect(ready.status).toBe(200);
    expect(ready.headers.get('x-guard-degraded')).toBe('shadow: scored in typescript');
  });

  it('replays with the implementation that scored', async () => {
    const answer = await guarded.infer('shadow');
    const id = answer.headers.get('x-guard-verdict-id');
    await guarded.audited(id);
    const { body } = guarded.upstream.received[0];
    const headers = { 'content-type': 'application/json' };
    const replayed = await guarded.call(`/v1/verdicts/${id}/replay`, { method: 'POST', body, headers });
    expect(await replayed.json()).toMatchObject({ matches: true, replayed: { scorer: 'typescript' } });
  });

  it('whose implementations disagree gives no verdict and refuses', async () => {
    const answer = await guarded.infer('off');
    expect(answer.status).toBe(503);
    expect(problemSchema.parse(await answer.json())).toMatchObject({
      code: 'detector_unavailable',
      detail: 'two implementations of the detector disagree',
    });
    expect(guarded.upstream.received).toEqual([]);
  });

  it.each([
    ['that does not reproduce its self-check', 'enforce'],
    ['that is not in the store', 'missing'],
    ['that was made for a model of another name', 'borrowed'],
  ])('%s gives no verdict, refuses, and is not ready', async (_what, model) => {
    const answer = await guarded.infer(model);
    expect(answer.status).toBe(503);
    expect(problemSchema.parse(await answer.json()).code).toBe('detector_unavailable');
    expect(guarded.upstream.received).toEqual([]);
    const ready = await guarded.call(`/v2/models/${model}/ready`);
    expect(ready.status).toBe(400);
    expect(ready.headers.get('x-guard-not-ready')).toBe(`${model}: detector_unavailable`);
  });
});
