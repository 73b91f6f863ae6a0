// One trace from the caller through the guard: upstream, gpu-worker, verdict, audit and log lines name it.
import { beforeEach, describe, expect, it } from 'vitest';
import { guardedEdge, jsonBody, resetFixtures } from '../helpers/guarded-edge.ts';

const guarded = guardedEdge();
beforeEach(() => resetFixtures(guarded));

const traceId = 'ab'.repeat(16);
const parentId = 'cd'.repeat(8);
const tracestate = 'vendor=value';

describe('a trace', () => {
  it('goes on to the gpu-worker and the upstream under one span of the guard', async () => {
    const headers = { traceparent: `00-${traceId}-${parentId}-01`, tracestate };
    const answer = await guarded.infer('enforce', jsonBody(), headers);
    const [{ headers: toWorker }] = guarded.extractor.received;
    const [{ headers: toUpstream }] = guarded.upstream.received;
    expect(toUpstream.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(toUpstream.traceparent).not.toContain(parentId);
    expect(toWorker.traceparent).toBe(toUpstream.traceparent);
    expect([toWorker.tracestate, toUpstream.tracestate]).toEqual([tracestate, tracestate]);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict.trace_id).toBe(traceId);
  });

  it('is begun anew where what came is none, and what came goes no further', async () => {
    const answer = await guarded.infer('enforce', jsonBody(), { traceparent: 'mine', tracestate });
    const [{ headers }] = guarded.upstream.received;
    const [, begun] = /^00-([0-9a-f]{32})-[0-9a-f]{16}-00$/.exec(String(headers.traceparent))!;
    expect(headers.tracestate).toBeUndefined();
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict.trace_id).toBe(begun);
  });

  it('is named by the log line of a failure', async () => {
    guarded.extractor.behaviour = (_request, response) => void response.writeHead(500).end();
    guarded.logs.length = 0;
    await guarded.infer('enforce', jsonBody(), { traceparent: `00-${traceId}-${parentId}-01` });
    const line = guarded.logs.find((text) => text.includes('guard.failure'));
    expect(JSON.parse(line!)).toMatchObject({ trace_id: traceId });
  });
});
