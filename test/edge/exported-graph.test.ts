// The whole guard over an exported graph, whose server echoes no parameters, behind the binding of the containers.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';

let exported: LenetEdge;
beforeAll(async () => {
  exported = await startLenetEdge({ mode: 'enforce', threshold: 0, server: 'triton' });
}, 120_000);
afterAll(() => exported?.stop());

function body(): string {
  const shape = [1, ...exported.inputShape];
  const data = Array.from(drawDigit(3, 1));
  return JSON.stringify({ inputs: [{ name: exported.inputName, shape, datatype: 'FP32', data }] });
}

it('is ready, without an address of a gpu-worker', async () => {
  const answer = await exported.call('/v2/health/ready');
  expect(answer.headers.get('x-guard-not-ready')).toBeNull();
  expect(answer.status).toBe(200);
});

it('judges an input, and names the compiled graph that its numbers came from', async () => {
  const answer = await exported.call(`/v1/guard/verdicts?model=${exported.name}`, {
    method: 'POST',
    body: body(),
  });
  expect(answer.status).toBe(200);
  const verdict = verdictSchema.parse(await answer.json());
  expect(['allow', 'block']).toContain(verdict.verdict);
  expect(verdict.score).not.toBeNull();
  expect(JSON.stringify(verdict)).toContain(await sha256Digest(exported.compiled));
});

it('forwards or refuses by that verdict', async () => {
  const answer = await exported.call(`/v2/models/${exported.name}/infer`, { method: 'POST', body: body() });
  expect(['200 allow', '403 block']).toContain(`${answer.status} ${answer.headers.get('x-guard-verdict')}`);
  expect(exported.upstream.received.length).toBe(answer.status === 200 ? 1 : 0);
});
