// The detector Worker's answers to extractions: read where they are sound, a failure of the right class where not.
import { describe, expect, it } from 'vitest';
import type { GraphAnswer, GraphOutputs } from '../../../edge/bindings.ts';
import type { ExtractionCall } from '../../../edge/clients/extractor-client.ts';
import { graphExtractor } from '../../../edge/clients/graph-extractor.ts';
import { type ErrorCode, GuardError } from '../../../shared/errors.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const identity = { modelDigest: digest('a'), noiseKeyId: 'key', planDigest: digest('b') };
const graph = { key: 'graphs/m.onnx', digest: digest('c') };
const sound: GraphOutputs = {
  ...identity,
  compiledDigest: graph.digest,
  logits: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  changes: Float32Array.of(1, -2, 3, 4, -5, 6),
};

async function extract(
  answer: () => Promise<GraphAnswer<GraphOutputs>>,
  { stage, leftMs = 5_000 }: { readonly stage?: number; readonly leftMs?: number } = {},
) {
  let asked = 0;
  const ask = () => {
    asked++;
    return answer();
  };
  const client = graphExtractor({
    binding: { extract: ask, describe: () => Promise.reject(new Error('nobody asks')) },
    graphs: new Map([['m', [graph]]]),
  });
  const call: ExtractionCall = {
    expected: { name: 'm', ...identity, ...(stage === undefined ? {} : { stage }) },
    inputs: new Float32Array(4),
    shape: [2, 2],
    selections: [0, 1].map(() => ({ inputDigest: digest('e'), rows: [], signs: [] })),
    runs: 2,
    classes: 2,
    changeColumns: [{ quantity: 'change' }, { quantity: 'drift' }, { quantity: 'base' }],
    deadlineAt: Date.now() + leftMs,
    trace: { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), flags: '01', state: undefined },
  };
  const ended = await client.extract(call).catch((thrown: unknown) => {
    expect(thrown).toBeInstanceOf(GuardError);
    return thrown as GuardError;
  });
  return { ended, asked };
}

const refusal = (code: ErrorCode) => async () => ({ refusal: { code, detail: 'why' } });

describe('an extraction in the detector Worker', () => {
  it('gives logits and changes; a drift may be negative', async () => {
    const { ended } = await extract(async () => ({ answer: sound }));
    expect(ended).toEqual({
      logits: sound.logits,
      changes: sound.changes,
      compiledDigest: graph.digest,
    });
  });

  it.each([
    ['too few logits', { logits: new Float32Array(7) }, 'bad_extractor_reply'],
    ['a logit that is no number', { logits: sound.logits.with(3, Number.NaN) }, 'bad_extractor_reply'],
    ['no changes', { changes: undefined }, 'bad_extractor_reply'],
    ['a negative mean', { changes: sound.changes!.with(0, -1) }, 'bad_extractor_reply'],
    ['another graph', { compiledDigest: digest('d') }, 'bad_extractor_reply'],
    ['another model', { modelDigest: digest('d') }, 'detector_unavailable'],
    ['another noise key', { noiseKeyId: 'other' }, 'detector_unavailable'],
    ['another plan', { planDigest: digest('d') }, 'detector_unavailable'],
  ])('is not believed with %s', async (_what, changed, code) => {
    const { ended, asked } = await extract(async () => ({ answer: { ...sound, ...changed } }));
    expect(ended).toMatchObject({ code });
    expect(asked).toBe(1);
  });

  it.each(['overloaded', 'deadline_exceeded', 'detector_unavailable', 'bad_extractor_reply'] as const)(
    'passes %s on and does not ask again',
    async (code) => {
      const { ended, asked } = await extract(refusal(code));
      expect(ended).toMatchObject({ code, message: 'why' });
      expect(asked).toBe(1);
    },
  );

  it('takes a refusal that it does not know for nonsense', async () => {
    expect((await extract(refusal('blocked'))).ended).toMatchObject({ code: 'bad_extractor_reply' });
  });

  it('is tried again where the Worker breaks off, and then unreachable', async () => {
    const { ended, asked } = await extract(() => Promise.reject(new Error('exceeded its memory')));
    expect(ended).toMatchObject({ code: 'extractor_unreachable' });
    expect(asked).toBe(3);
  });

  it('ends at its deadline, whenever the answer comes', async () => {
    const never = () => new Promise<never>(() => undefined);
    expect((await extract(never, { leftMs: 30 })).ended).toMatchObject({ code: 'deadline_exceeded' });
    const { ended, asked } = await extract(never, { leftMs: -1 });
    expect(ended).toMatchObject({ code: 'deadline_exceeded' });
    expect(asked).toBe(0);
  });

  it('is not possible of a stage whose graph is not configured', async () => {
    const { ended, asked } = await extract(async () => ({ answer: sound }), { stage: 1 });
    expect(ended).toMatchObject({
      code: 'detector_unavailable',
      message: 'the configuration names no graph of stage 1 of this model',
    });
    expect(asked).toBe(0);
  });
});
