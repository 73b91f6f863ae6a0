// Neighbours that are dead, slow or talk nonsense: closed in mode enforce, without effect in mode shadow.
import { beforeEach, describe, expect, it } from 'vitest';
import { extractionParameters } from '../../shared/contracts/extraction.ts';
import type { FailureClass } from '../../shared/contracts/verdict.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { answerHonestly } from '../helpers/canned-extractor.ts';
import type { Behaviour } from '../helpers/fixture-server.ts';
import {
  guardedEdge,
  jsonBody,
  resetFixtures,
  restlessInput,
  upstreamBody,
} from '../helpers/guarded-edge.ts';

const guarded = guardedEdge({ bindings: { GUARD_TIMEOUT_MS: '400', UPSTREAM_TIMEOUT_MS: '600' } });
beforeEach(() => resetFixtures(guarded));

const honest = (change: Parameters<typeof answerHonestly>[1]): Behaviour => {
  return (request, response) => answerHonestly(guarded.canned, change)(request, response);
};
const status =
  (code: number, headers: Record<string, string> = {}): Behaviour =>
  (_request, response) => {
    response.writeHead(code, headers).end('{"error":"no"}');
  };
const wrongDigest = `sha256:${'b'.repeat(64)}`;

type Failure = readonly [
  what: string,
  status: number,
  code: string,
  failure: FailureClass,
  behaviour: Behaviour,
];

const failures: readonly Failure[] = [
  ['that never answers', 504, 'deadline_exceeded', 'timeout', () => {}],
  [
    'that stops in the middle of its answer',
    504,
    'deadline_exceeded',
    'timeout',
    (_request, response) => void response.writeHead(200, { 'content-length': 1000 }).write('{"model_name":'),
  ],
  ['that says it ran out of time', 504, 'deadline_exceeded', 'timeout', status(504)],
  ['that is overloaded', 503, 'overloaded', 'overload', status(503, { 'retry-after': '7' })],
  ['that limits the rate', 503, 'overloaded', 'overload', status(429)],
  [
    'that hangs up',
    503,
    'extractor_unreachable',
    'worker_unreachable',
    (_request, response) => void response.destroy(),
  ],
  ['that does not know the token', 503, 'extractor_unauthorized', 'worker_auth', status(401)],
  ['that forbids', 503, 'extractor_unauthorized', 'worker_auth', status(403)],
  ['that does not serve the model', 503, 'detector_unavailable', 'no_detector', status(404)],
  ['that is broken', 502, 'bad_extractor_reply', 'bad_worker_reply', status(500)],
  [
    'that redirects',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    status(302, { location: 'http://127.0.0.1:1/' }),
  ],
  [
    'that answers HTML',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    (_request, response) =>
      void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>ok</html>'),
  ],
  [
    'that answers nothing',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    (_request, response) => void response.end(),
  ],
  [
    'that sends half of its body',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    (_request, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{"model_name":"enforce"');
      setTimeout(() => response.destroy(), 20);
    },
  ],
  [
    'that answers the wrong shape',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    honest((canned) => {
      canned.shape = [1, 10, 5];
    }),
  ],
  [
    'that answers another batch',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    honest((canned) => {
      canned.shape = [2, 5, 10];
      canned.logits = new Float32Array(100);
    }),
  ],
  [
    'that answers NaN logits',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    honest(({ logits }) => {
      logits[7] = Number.NaN;
    }),
  ],
  [
    'that answers infinite logits',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    honest(({ logits }) => {
      logits[0] = Number.POSITIVE_INFINITY;
    }),
  ],
  [
    'that answers for another model',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    honest((canned) => {
      canned.modelName = 'other';
    }),
  ],
  [
    'that does not say which model it runs',
    502,
    'bad_extractor_reply',
    'bad_worker_reply',
    honest((canned) => {
      canned.parameters = {};
    }),
  ],
  [
    'that runs a model of another digest',
    503,
    'detector_unavailable',
    'no_detector',
    honest((canned) => {
      canned.parameters = { ...canned.parameters, [extractionParameters.modelDigest]: wrongDigest };
    }),
  ],
  [
    'that has another noise key',
    503,
    'detector_unavailable',
    'no_detector',
    honest((canned) => {
      canned.parameters = { ...canned.parameters, [extractionParameters.noiseKeyId]: '0000000000000000' };
    }),
  ],
  [
    'that makes the copies of another plan',
    503,
    'detector_unavailable',
    'no_detector',
    honest((canned) => {
      canned.parameters = { ...canned.parameters, [extractionParameters.planDigest]: wrongDigest };
    }),
  ],
];

describe('a gpu-worker', () => {
  it.each(failures)('%s: %i %s in mode enforce, and the upstream is not reached', async (...row) => {
    const [, expected, code, failure, behaviour] = row;
    guarded.extractor.behaviour = behaviour;
    const startedAt = performance.now();
    const answer = await guarded.infer('enforce');
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(answer.status).toBe(expected);
    const problem = problemSchema.parse(await answer.json());
    expect(problem).toMatchObject({ status: expected, code });
    if (code === 'overloaded') expect(answer.headers.get('retry-after')).toMatch(/^[17]$/);
    expect(answer.headers.get('x-guard-verdict')).toBe('error');
    expect(guarded.upstream.received).toEqual([]);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'error', enforced: true, score: null, rows: [] });
    expect(verdict.failure).toMatchObject({ class: failure, code });
  });

  it.each(failures)('%s: the answer in mode shadow is the upstream’s own', async (...row) => {
    const [, , code, failure, behaviour] = row;
    guarded.extractor.behaviour = behaviour;
    const answer = await guarded.infer('shadow');
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(upstreamBody);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'error', enforced: false, mode: 'shadow' });
    expect(verdict.failure).toMatchObject({ class: failure, code });
  });

  it('that is dead: 503 in mode enforce, not ready, and well again once it is back', async () => {
    await guarded.extractor.die();
    const answer = await guarded.infer('enforce');
    expect(answer.status).toBe(503);
    expect(problemSchema.parse(await answer.json()).code).toBe('extractor_unreachable');
    const ready = await guarded.call('/v2/health/ready');
    expect(ready.status).toBe(400);
    expect(await ready.text()).toBe('');
    expect(ready.headers.get('x-guard-not-ready')).toBe(
      'enforce: extractor_unreachable, shadow: extractor_unreachable',
    );
    expect((await guarded.call('/v2/health/live')).status).toBe(200);
    expect((await guarded.infer('shadow')).status).toBe(200);
    guarded.upstream.received.length = 0;
    await guarded.extractor.revive();
    // What a readiness check found counts for a second.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await guarded.call('/v2/health/ready')).status).toBe(200);
    expect((await guarded.infer('enforce')).status).toBe(200);
  });
});

describe('invalid input in mode shadow', () => {
  it.each([
    ['malformed JSON', '{'],
    ['a value out of range', jsonBody([[9, 0, 0, 0, 0, 0]])],
  ])('%s is the upstream’s to judge, and is audited as not scored', async (_what, body) => {
    const answer = await guarded.infer('shadow', body);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(upstreamBody);
    expect(guarded.upstream.received[0].body.toString()).toBe(body);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'not_scored', enforced: false });
    expect(verdict.failure?.class).toBe('unsupported_input');
  });
});

describe('an upstream', () => {
  it.each(['off', 'shadow', 'enforce'])('that is dead is answered with 502 in mode %s', async (mode) => {
    await guarded.upstream.die();
    const answer = await guarded.infer(mode);
    await guarded.upstream.revive();
    expect(answer.status).toBe(502);
    expect(problemSchema.parse(await answer.json()).code).toBe('upstream_unreachable');
    expect(answer.headers.get('x-guard-mode')).toBe(mode);
    expect((await guarded.infer(mode)).status).toBe(200);
  });

  it.each(['off', 'shadow', 'enforce'])(
    'that never answers is answered with 504 in mode %s',
    async (mode) => {
      guarded.upstream.behaviour = () => {};
      const answer = await guarded.infer(mode);
      expect(answer.status).toBe(504);
      expect(problemSchema.parse(await answer.json()).code).toBe('upstream_timeout');
    },
  );

  it('that is dead still leaves the verdict of mode shadow in the audit', async () => {
    await guarded.upstream.die();
    const answer = await guarded.infer('shadow', jsonBody([restlessInput]));
    await guarded.upstream.revive();
    expect(answer.status).toBe(502);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'block', enforced: false });
  });
});
