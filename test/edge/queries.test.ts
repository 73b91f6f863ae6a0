// The check for query attacks through the running Worker: many near-duplicates of one caller become a verdict of their own.
import { beforeEach, describe, expect, it } from 'vitest';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { guardedEdge, modes, resetFixtures, upstreamBody } from '../helpers/guarded-edge.ts';
import { operatorOf, operatorToken } from '../helpers/operator-edge.ts';

const inputShape = [1, 12, 12];
const size = 144;
const guarded = guardedEdge({
  bindings: { GUARD_TIMEOUT_MS: '5000', OPERATOR_TOKEN: operatorToken },
  detectors: Object.fromEntries(modes.map((mode) => [mode, { inputShape }])),
});
const operator = operatorOf(guarded);
beforeEach(() => resetFixtures(guarded));

/** An input of noise that the canned extractor leaves at rest; of another seed it is another one. */
function noiseInput(seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: size }, (_, index) => (index === 0 ? 0.25 : random()));
}

/** The same with one element changed, another one for every step, as an attack would. */
function step(input: readonly number[], number: number): number[] {
  return input.with(1 + number, 1 - input[1 + number]);
}

/** A caller with a history of its own. */
async function newCaller() {
  const { id, key } = await operator.createKey({ scopes: ['infer', 'verdict'] });
  const send = (path: string, rows: readonly (readonly number[])[]) => {
    const input = { name: 'input', shape: [rows.length, ...inputShape], datatype: 'FP32', data: rows.flat() };
    return operator.callWith(key, path, {
      method: 'POST',
      body: JSON.stringify({ inputs: [input] }),
      headers: { 'content-type': 'application/json' },
    });
  };
  return {
    id,
    send,
    infer: (mode: string, ...rows: readonly (readonly number[])[]) => send(`/v2/models/${mode}/infer`, rows),
  };
}

async function publish(model: string, policy: object): Promise<void> {
  const { headers } = await operator.call(`/v1/policies/${model}`);
  const put = await operator.call(`/v1/policies/${model}`, {
    method: 'PUT',
    body: JSON.stringify(policy),
    headers: { 'if-match': headers.get('etag')! },
  });
  expect(put.status).toBe(200);
  expect((await operator.call(`/v1/policies/${model}/versions`, { method: 'POST' })).status).toBe(201);
}

async function audited(answer: Response) {
  const path = `/v1/verdicts/${answer.headers.get('x-guard-verdict-id')}`;
  await expect.poll(async () => (await operator.call(path)).status).toBe(200);
  return verdictSchema.parse(await (await operator.call(path)).json());
}

const queries = { matches_min: 3, window_s: 60, action: 'block' };

describe('a policy that blocks query attacks', () => {
  beforeEach(() => publish('enforce', { mode: 'enforce', queries }));

  it('refuses the near-duplicate that has as many before it as the policy says, and says why to operators alone', async () => {
    const { id, infer } = await newCaller();
    const input = noiseInput(1);
    for (const tried of [input, step(input, 1), step(input, 2)]) {
      expect((await infer('enforce', tried)).status).toBe(200);
    }
    const refused = await infer('enforce', step(input, 3));
    expect(refused.status).toBe(403);
    expect(problemSchema.parse(await refused.json())).toMatchObject({
      code: 'blocked',
      detail: 'the guard takes this input for an adversarial example',
    });
    expect(guarded.upstream.received).toHaveLength(3);
    expect(await audited(refused)).toMatchObject({
      verdict: 'block',
      enforced: true,
      failure: null,
      reasons: ['queries.near_duplicates'],
      // MITRE ATLAS: Craft Adversarial Data, Black-Box Optimization.
      taxonomy: ['AML.T0043', 'AML.T0043.001'],
      queries: { matches: 3, matches_min: 3, window_s: 60 },
      rows: [{ verdict: 'allow' }],
    });
    const page = await operator.call(`/v1/verdicts?principal=${id}&verdict=block`);
    expect(((await page.json()) as { verdicts: unknown[] }).verdicts).toHaveLength(1);
    const metrics = await (await operator.call('/metrics')).text();
    expect(metrics).toMatch(/guard_query_attacks_total\{model="enforce",action="block"\} 1/);
    // Whatever else the caller asks is judged by itself.
    expect((await infer('enforce', noiseInput(2))).status).toBe(200);
  });

  it('takes the very same input for another try, however often it comes', async () => {
    const { infer } = await newCaller();
    const input = noiseInput(3);
    for (let attempt = 0; attempt < 6; attempt++) expect((await infer('enforce', input)).status).toBe(200);
    const answer = await infer('enforce', step(input, 1));
    expect(answer.status).toBe(200);
    expect((await audited(answer)).queries?.matches).toBe(1);
  });

  it('lets other inputs pass', async () => {
    const { infer } = await newCaller();
    for (let seed = 10; seed < 20; seed++) {
      const answer = await infer('enforce', noiseInput(seed));
      expect(answer.status).toBe(200);
      expect((await audited(answer)).queries?.matches).toBe(0);
    }
  });

  it('keeps the queries of each caller apart, and those of each model', async () => {
    const [first, second] = [await newCaller(), await newCaller()];
    await publish('shadow', { mode: 'enforce', queries });
    const input = noiseInput(4);
    for (const number of [1, 2, 3]) await first.infer('enforce', step(input, number));
    expect((await first.infer('enforce', step(input, 4))).status).toBe(403);
    for (const answer of [
      await second.infer('enforce', step(input, 4)),
      await first.infer('shadow', step(input, 4)),
    ]) {
      expect(answer.status).toBe(200);
      expect((await audited(answer)).queries?.matches).toBe(0);
    }
  });

  it('counts the rows of one request among each other, and refuses it whole where it would cut rows', async () => {
    await publish('enforce', { mode: 'enforce', queries, batch: 'cut' });
    const { infer } = await newCaller();
    const input = noiseInput(5);
    // The first element makes one row one that the detector blocks.
    const rows = [noiseInput(6).with(0, 0.9), ...[1, 2, 3, 4].map((number) => step(input, number))];
    const answer = await infer('enforce', ...rows);
    expect(answer.status).toBe(403);
    const verdict = await audited(answer);
    expect(verdict).toMatchObject({ verdict: 'block', enforced: true, queries: { matches: 3 } });
    expect(verdict.reasons).toEqual(['nccr.above_threshold', 'queries.near_duplicates']);
    expect(verdict.rows_cut).toBeUndefined();
    expect(guarded.upstream.received).toEqual([]);
  });

  it('tells a caller who asks for the verdict neither count nor technique, even where scores are told', async () => {
    for (const reveal of ['verdict', 'scores']) {
      await publish('enforce', { mode: 'enforce', queries, reveal });
      const { send } = await newCaller();
      const input = noiseInput(7);
      const ask = (number: number) => send('/v1/guard/verdicts?model=enforce', [step(input, number)]);
      for (const number of [1, 2, 3])
        expect(await (await ask(number)).json()).toMatchObject({ verdict: 'allow' });
      const answer = await ask(4);
      expect(answer.status).toBe(200);
      const told = verdictSchema.parse(await answer.json());
      expect(told).toMatchObject({ verdict: 'block', enforced: false, reasons: [], taxonomy: ['AML.T0043'] });
      expect(told.queries).toBeUndefined();
      expect((await audited(answer)).queries).toMatchObject({ matches: 3 });
    }
  });

  it('is replayed by its scores', async () => {
    const { infer } = await newCaller();
    const input = noiseInput(8);
    for (const number of [1, 2, 3]) await infer('enforce', step(input, number));
    const { id } = await audited(await infer('enforce', step(input, 4)));
    const body = JSON.stringify({
      inputs: [{ name: 'input', shape: [1, ...inputShape], datatype: 'FP32', data: step(input, 4) }],
    });
    const headers = { 'content-type': 'application/json' };
    const replay = await operator.call(`/v1/verdicts/${id}/replay`, { method: 'POST', body, headers });
    expect(await replay.json()).toMatchObject({ matches: true, recorded: { verdict: 'allow' } });
  });
});

describe('a policy that flags query attacks', () => {
  it('forwards them, and tells the upstream', async () => {
    await publish('enforce', { mode: 'enforce', queries: { ...queries, action: 'flag' } });
    const { infer } = await newCaller();
    const input = noiseInput(9);
    for (const number of [1, 2, 3]) await infer('enforce', step(input, number));
    const answer = await infer('enforce', step(input, 4));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-guard-verdict')).toBe('flag');
    expect(guarded.upstream.received[3].headers['x-guard-verdict']).toBe('flag');
    expect(await audited(answer)).toMatchObject({ verdict: 'flag', enforced: false });
  });

  it('still refuses what the detector refuses', async () => {
    const { infer } = await newCaller();
    const input = noiseInput(9).with(0, 0.9);
    for (const number of [1, 2, 3, 4]) expect((await infer('enforce', step(input, number))).status).toBe(403);
  });
});

describe('mode shadow', () => {
  it('audits what it finds and answers as if there were nothing', async () => {
    await publish('shadow', { mode: 'shadow', queries });
    const { infer } = await newCaller();
    const input = noiseInput(11);
    const found: (number | undefined)[] = [];
    for (const number of [1, 2, 3, 4]) {
      const answer = await infer('shadow', step(input, number));
      expect(answer.status).toBe(200);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(upstreamBody);
      const verdict = await audited(answer);
      found.push(verdict.queries?.matches);
      expect(verdict).toMatchObject({ verdict: number === 4 ? 'block' : 'allow', enforced: false });
    }
    expect(found).toEqual([0, 1, 2, 3]);
  });
});

describe('a policy that does not ask for it', () => {
  it('has nothing compared, and verdicts without a count', async () => {
    await publish('enforce', { mode: 'enforce' });
    const { infer } = await newCaller();
    const input = noiseInput(12);
    for (const number of [1, 2, 3, 4]) {
      const answer = await infer('enforce', step(input, number));
      expect(answer.status).toBe(200);
      expect((await audited(answer)).queries).toBeUndefined();
    }
  });

  it.each([
    { matches_min: 0 },
    { matches_min: 501 },
    { window_s: 0 },
    { window_s: 86_401 },
    { action: 'refuse' },
    { match_min: 3 },
    7,
  ])('is refused with %j', async (asked) => {
    const body = JSON.stringify({ mode: 'shadow', queries: asked });
    const etag = (await operator.call('/v1/policies/shadow')).headers.get('etag')!;
    const headers = { 'if-match': etag };
    expect((await operator.call('/v1/policies/shadow', { method: 'PUT', body, headers })).status).toBe(400);
  });
});
