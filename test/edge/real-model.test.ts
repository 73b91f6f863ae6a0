// LeNet-5 behind the whole guard: verdicts that are the paper's arithmetic, the same every time, and replayable.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { extract } from '../../gpu-worker/extraction/extract.ts';
import { detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { type Verdict, verdictSchema } from '../../shared/contracts/verdict.ts';
import { mlpOfArtefact, mlpScore } from '../../shared/detector/mlp.ts';
import { planVector } from '../../shared/maths/plan-vector.ts';
import { importNoiseKeyHex, sha256Digest } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { noiseKeyHex } from '../helpers/guarded-edge.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';

let guard: LenetEdge;
beforeAll(async () => {
  guard = await startLenetEdge({ mode: 'enforce', threshold: 0 });
}, 120_000);
afterAll(() => guard?.stop());

const digit = drawDigit(3, 1);
const digits = [0, 1, 2, 3].map((label) => drawDigit(label, 1));

function body(rows: readonly Float32Array[]): string {
  const shape = [rows.length, ...guard.inputShape];
  const data = rows.flatMap((row) => Array.from(row));
  return JSON.stringify({ inputs: [{ name: guard.inputName, shape, datatype: 'FP32', data }] });
}

async function verdictOf(rows: readonly Float32Array[]): Promise<Verdict> {
  const answer = await guard.call(`/v1/guard/verdicts?model=${guard.name}`, {
    method: 'POST',
    body: body(rows),
  });
  expect(answer.status).toBe(200);
  return verdictSchema.parse(await answer.json());
}

async function untilAudited(id: string): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const answer = await guard.call(`/v1/verdicts/${id}`);
    if (answer.status === 200 || attempt === 100) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function replay(id: string, rows: readonly Float32Array[]): Promise<Response> {
  return guard.call(`/v1/verdicts/${id}/replay`, { method: 'POST', body: body(rows) });
}

describe('the guard of a real model', () => {
  it('is ready', async () => {
    const answer = await guard.call('/v2/health/ready');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-guard-degraded')).toBeNull();
    expect((await guard.call(`/v2/models/${guard.name}/ready`)).status).toBe(200);
  });

  it('gives each row the score that the parts give when they are put together by hand', async () => {
    const verdict = await verdictOf(digits);
    const artefact = detectorArtefactSchema.parse(JSON.parse(new TextDecoder().decode(guard.artefact)));
    const mlp = mlpOfArtefact(artefact);
    const key = await importNoiseKeyHex(noiseKeyHex);
    for (const [row, x] of digits.entries()) {
      const selection = await selectRows(key, artefact.plan, x);
      const { inputShape } = guard;
      const { logits } = await extract(guard.served.loaded, { x, inputShape, selections: [selection] });
      const { plan, model, vector } = artefact;
      const score = mlpScore(mlp, planVector({ logits, plan, classes: model.classes }, vector.design));
      expect(Math.abs(verdict.rows[row].score - score)).toBeLessThanOrEqual(
        1e-6 * Math.max(1, Math.abs(score)),
      );
      expect(verdict.rows[row].input_digest).toBe(selection.inputDigest);
    }
    expect(verdict.detector).toMatchObject({
      scorer: 'typescript',
      artefact: await sha256Digest(guard.artefact),
      compiled_digest: await sha256Digest(guard.compiled),
      noise_key_id: key.id,
    });
  });

  it('gives the same input sent 100 times the same verdict', async () => {
    const first = await verdictOf([digit]);
    for (let time = 1; time < 100; time++) {
      const next = await verdictOf([digit]);
      expect(next.rows).toEqual(first.rows);
      expect(next.verdict).toBe(first.verdict);
    }
  });

  it('gives a row the same score alone, in a batch, and in the binary extension of another client', async () => {
    const alone = await verdictOf([digits[2]]);
    const batch = await verdictOf(digits);
    expect(batch.rows[2].score).toBe(alone.rows[0].score);
  });

  it('says what the score means and refuses nothing where only a verdict is asked for', async () => {
    const verdict = await verdictOf(digits);
    const kinds = verdict.rows.map(({ score, verdict: kind }) => [score > 0, kind]);
    expect(kinds).toEqual(verdict.rows.map(({ score }) => [score > 0, score > 0 ? 'block' : 'allow']));
    expect(verdict).toMatchObject({ mode: 'enforce', enforced: false, threshold: 0, target_fpr: 0.01 });
    expect(verdict.score).toBe(Math.max(...verdict.rows.map(({ score }) => score)));
    expect(guard.upstream.received).toEqual([]);
  });

  it('keeps the verdict in the audit, with the digest of the request and not the request', async () => {
    const verdict = await verdictOf([digit]);
    const answer = await untilAudited(verdict.id);
    expect(await answer.json()).toEqual(verdict);
    const select = { sql: 'SELECT * FROM verdicts WHERE id = ?', values: [verdict.id] };
    const [[row]] = await guard.edge.storage.run<Record<string, unknown>>(select);
    expect(row).toMatchObject({
      model: guard.name,
      verdict: verdict.verdict,
      score: verdict.score,
      request_digest: await sha256Digest(new TextEncoder().encode(body([digit]))),
    });
    expect(String(row.body).length).toBeLessThan(2_000);
  });
});

describe('a replay', () => {
  it('matches bit for bit', async () => {
    const verdict = await verdictOf(digits);
    await untilAudited(verdict.id);
    const answer = await replay(verdict.id, digits);
    expect(answer.status).toBe(200);
    const scores = verdict.rows.map(({ score }) => score);
    const said = { verdict: verdict.verdict, scores, scorer: 'typescript' };
    expect(await answer.json()).toEqual({ matches: true, recorded: said, replayed: said });
  });

  it('of another input, batch or order is a conflict', async () => {
    const verdict = await verdictOf(digits);
    await untilAudited(verdict.id);
    const nudged = digits.map((row, index) => (index === 1 ? row.with(100, 0.5) : row));
    for (const other of [nudged, digits.slice(1), digits.toReversed()]) {
      expect((await replay(verdict.id, other)).status).toBe(409);
    }
  });

  it('of a verdict whose artefact, compiled model or key was another is a conflict', async () => {
    const changes = ['artefact', 'compiled_digest', 'noise_key_id'] as const;
    for (const change of changes) {
      const verdict = await verdictOf([digit]);
      await untilAudited(verdict.id);
      const detector = { ...verdict.detector, [change]: `sha256:${'d'.repeat(64)}` };
      const changed = JSON.stringify({ ...verdict, detector });
      const sql = 'UPDATE verdicts SET body = ? WHERE id = ?';
      await guard.edge.storage.run({ sql, values: [changed, verdict.id] });
      expect((await replay(verdict.id, [digit])).status, change).toBe(409);
    }
  });

  it('of a verdict that was not scored is a conflict, and of none at all is not found', async () => {
    const refused = await guard.call(`/v1/guard/verdicts?model=${guard.name}`, {
      method: 'POST',
      body: '{}',
    });
    expect(refused.status).toBe(400);
    const id = refused.headers.get('x-guard-verdict-id')!;
    await untilAudited(id);
    expect((await replay(id, [digit])).status).toBe(409);
    const unknown = 'gv_00000000-0000-7000-8000-000000000000';
    expect((await replay(unknown, [digit])).status).toBe(404);
    expect((await guard.call('/v1/verdicts/nonsense')).status).toBe(404);
  });
});
