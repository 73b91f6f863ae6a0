// A verdict that the audit does not take: the log has all of it, it is counted, and nobody else hears of it.
import { afterEach, expect, it, vi } from 'vitest';
import type { AuditEntry, AuditStore } from '../../../edge/clients/audit-store.ts';
import { guardMetrics } from '../../../edge/guard/guard-metrics.ts';
import type { JudgedRequest } from '../../../edge/guard/judge-input.ts';
import { recordVerdict } from '../../../edge/guard/record-verdict.ts';
import { type Verdict, verdictSchema } from '../../../shared/contracts/verdict.ts';
import { emptyVerdict } from '../../helpers/empty-verdict.ts';

afterEach(() => void vi.restoreAllMocks());

const verdict: Verdict = {
  ...emptyVerdict,
  reasons: ['failure.timeout'],
  failure: { class: 'timeout', code: 'deadline_exceeded', detail: 'late' },
};

it('is in the log whole, and counted', async () => {
  const lines: string[] = [];
  vi.spyOn(console, 'error').mockImplementation((line: string) => void lines.push(line));
  const metrics = guardMetrics();
  const write = async () => {
    throw new Error('D1 is away');
  };
  const judged = {
    model: { name: 'm' },
    body: new TextEncoder().encode('[]'),
    enforces: true,
    principal: 'key_1',
  } as Pick<JudgedRequest, 'model' | 'body' | 'enforces' | 'principal'>;
  await recordVerdict({ verdict, error: undefined }, judged, {
    audit: { write } as unknown as AuditStore,
    metrics,
  });
  const [line] = lines.map((text) => JSON.parse(text) as { event: string; entry: AuditEntry });
  expect(line.event).toBe('audit.failure');
  expect(verdictSchema.parse(line.entry.verdict)).toEqual(verdict);
  // SHA-256 of the two characters `[]`, by sha256sum.
  const requestDigest = 'sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945';
  expect(line.entry).toMatchObject({ model: 'm', principal: 'key_1', requestDigest });
  expect((await metrics.exposition()).body).toContain('guard_audit_failures_total 1');
});
