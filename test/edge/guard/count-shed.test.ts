// Requests that mode shadow leaves out: each is counted, and the audit gets one entry for all of a second.
import { afterEach, expect, it, vi } from 'vitest';
import type { AuditEntry } from '../../../edge/clients/audit-store.ts';
import { countShed, tallyMs } from '../../../edge/guard/count-shed.ts';
import { guardMetrics } from '../../../edge/guard/guard-metrics.ts';
import type { JudgedRequest } from '../../../edge/guard/judge-input.ts';
import { defaultPolicy } from '../../../shared/contracts/policy.ts';
import { verdictSchema } from '../../../shared/contracts/verdict.ts';

afterEach(() => void vi.restoreAllMocks());

const request = (name: string) =>
  ({
    verdictId: `gv_${name}`,
    model: { name, policy: defaultPolicy('shadow'), policyVersion: 0 },
    requestId: `request-of-${name}`,
    trace: { traceId: 'a'.repeat(32) },
    principal: 'key_1',
    enforces: true,
  }) as unknown as JudgedRequest;

/** A count whose second ends when the test says so. */
function shedCount(write: (entry: AuditEntry) => Promise<void>) {
  let time = 0;
  const waiting: (() => void)[] = [];
  const metrics = guardMetrics();
  const sleep = () => new Promise<void>((resolve) => void waiting.push(resolve));
  const shed = countShed({ audit: { write }, metrics }, { now: () => time, sleep });
  const endSecond = () => {
    time += tallyMs;
    for (const wake of waiting.splice(0)) wake();
  };
  return { shed, metrics, endSecond, pass: (ms: number) => (time += ms) };
}

it('stand in the audit as one entry a model and second, with their number', async () => {
  const written: AuditEntry[] = [];
  const { shed, metrics, endSecond } = shedCount(async (entry) => void written.push(entry));
  const adding = ['m', 'm', 'other', 'm'].map((name) => shed.add(request(name)));
  expect(written).toEqual([]);
  endSecond();
  for (const writing of adding) await writing;
  const next = shed.add(request('m'));
  endSecond();
  await next;
  expect(written.map(({ model, verdict, principal }) => [model, verdict.requests, principal])).toEqual([
    ['m', 3, null],
    ['other', 1, 'key_1'],
    ['m', 1, 'key_1'],
  ]);
  for (const { verdict } of written) {
    expect(verdictSchema.parse(verdict)).toMatchObject({
      verdict: 'not_scored',
      reasons: ['shadow.shed'],
      failure: { class: 'overload' },
    });
  }
  const { body } = await metrics.exposition();
  expect(body).toContain('guard_requests_total{model="m",mode="shadow",verdict="not_scored"} 4');
  expect(body).toContain('guard_failures_total{class="overload",policy_outcome="allowed"} 5');
});

it('are written by another where the one that was to do it has died', async () => {
  const written: AuditEntry[] = [];
  const { shed, endSecond, pass } = shedCount(async (entry) => void written.push(entry));
  void shed.add(request('m'));
  pass(10_000);
  const second = shed.add(request('m'));
  endSecond();
  await second;
  expect(written.map(({ verdict }) => verdict.requests)).toEqual([2]);
});

it('are in the log where the audit does not take the entry', async () => {
  const lines: string[] = [];
  vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line));
  const { shed, metrics, endSecond } = shedCount(() => Promise.reject(new Error('D1 is away')));
  const adding = shed.add(request('m'));
  endSecond();
  await adding;
  expect(JSON.parse(lines[0])).toMatchObject({ event: 'audit.failure', entry: { verdict: { requests: 1 } } });
  expect((await metrics.exposition()).body).toContain('guard_audit_failures_total 1');
});
