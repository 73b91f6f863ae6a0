// Who may say what a detector is: the edge and the detector Worker believe an artefact only under the key they were told.
import { beforeEach, describe, expect, it } from 'vitest';
import { problemSchema } from '../../shared/problem-response.ts';
import { guardedEdge, resetFixtures, upstreamBody } from '../helpers/guarded-edge.ts';
import { makeTestSigner, testSigner } from '../helpers/test-signer.ts';

const theirs = makeTestSigner();

const models = (names: readonly string[], mode: string) =>
  JSON.stringify(names.map((name) => ({ name, mode, artefact: `detectors/${name}.json` })));

describe.each(['enforce', 'shadow'] as const)('an edge in mode %s with a key of artefacts', (mode) => {
  // The fixtures are named after the modes; what is wrong with them is what this file calls them.
  const reasons = [
    ['that nobody signed', 'off', 'the artefact is not signed'],
    ['that another key signed', 'shadow', 'the artefact is signed with the key'],
    ['that was changed after it was signed', 'enforce', 'the artefact was changed after it was signed'],
  ] as const;
  const guarded = guardedEdge({
    bindings: { GUARD_MODELS: models(['off', 'shadow', 'enforce'], mode) },
    detectors: {
      off: { signer: undefined },
      shadow: { signer: theirs },
      // Nothing but the signature tells: a higher threshold lets more attacks pass and breaks no self-check.
      enforce: { tamper: (artefact) => (artefact.threshold.value += 1) },
    },
  });
  beforeEach(() => resetFixtures(guarded));

  it('is not ready, and names every model with its reason', async () => {
    const ready = await guarded.call('/v2/health/ready');
    expect(ready.status).toBe(400);
    expect(ready.headers.get('x-guard-not-ready')).toBe(
      'enforce: detector_unavailable, off: detector_unavailable, shadow: detector_unavailable',
    );
  });

  it.each(reasons)(
    'has no detector in an artefact %s, and says why in its log',
    async (_what, model, why) => {
      const answer = await guarded.infer(model);
      if (mode === 'enforce') {
        expect(answer.status).toBe(503);
        expect(problemSchema.parse(await answer.json()).code).toBe('detector_unavailable');
        expect(guarded.upstream.received).toEqual([]);
      } else {
        expect(answer.status).toBe(200);
        expect(Buffer.from(await answer.arrayBuffer())).toEqual(upstreamBody);
      }
      const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
      expect(verdict).toMatchObject({ verdict: 'error', enforced: mode === 'enforce', score: null });
      expect(verdict.failure).toMatchObject({ class: 'no_detector', code: 'detector_unavailable' });
      const ready = await guarded.call(`/v2/models/${model}/ready`);
      expect(ready.status).toBe(400);
      expect(ready.headers.get('x-guard-not-ready')).toBe(`${model}: detector_unavailable`);
      expect(guarded.logs.join('\n')).toContain(why);
      expect(guarded.extractor.received).toEqual([]);
    },
  );
});

describe('an edge that is told to look at no signature', () => {
  const guarded = guardedEdge({
    bindings: { ARTEFACT_PUBLIC_KEY: 'none' },
    detectors: { shadow: { signer: theirs }, enforce: { signer: undefined } },
  });

  it('is ready with an artefact that nobody signed, and one that another key signed', async () => {
    const ready = await guarded.call('/v2/health/ready');
    expect(ready.status).toBe(200);
    expect(ready.headers.get('x-guard-degraded')).toBeNull();
    expect((await guarded.infer('enforce')).status).toBe(200);
  });
});

describe.each([
  ['another key than the edge', { ARTEFACT_PUBLIC_KEY: theirs.publicKeyBase64 }, 'signed with the key'],
  ['no key at all', {}, 'ARTEFACT_PUBLIC_KEY: must be'],
])('a detector Worker that is told %s', (_what, detectorBindings, why) => {
  const guarded = guardedEdge({ detectorBindings });

  it('does not score; the edge scores without it and says so', async () => {
    const ready = await guarded.call('/v2/models/enforce/ready');
    expect(ready.status).toBe(200);
    expect(ready.headers.get('x-guard-degraded')).toBe('enforce: scored in typescript');
    expect(guarded.logs.join('\n')).toContain(why);
  });
});

describe('an artefact whose file lacks members that have a default', () => {
  const guarded = guardedEdge({
    bindings: { ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64 },
    detectors: { enforce: { spoil: ({ plan }) => Reflect.deleteProperty(plan, 'transforms') } },
  });

  it('is believed as it was signed, not as it is filled in', async () => {
    const ready = await guarded.call('/v2/models/enforce/ready');
    expect(ready.status).toBe(200);
    expect(ready.headers.get('x-guard-degraded')).toBeNull();
  });
});
