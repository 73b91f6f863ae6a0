// Writes a verdict to the audit and counts it, after the answer is on its way.
import { log } from '../../shared/log.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import type { GuardServices } from './guard-services.ts';
import type { JudgedRequest, Judgement } from './judge-input.ts';
import { nearDuplicates } from './raise-queries.ts';

/** Records a judgement. What the audit does not take is logged whole and counted, and changes no answer. */
export async function recordVerdict(
  { verdict }: Judgement,
  {
    model,
    body,
    file = body,
    enforces,
    principal,
  }: Pick<JudgedRequest, 'model' | 'body' | 'file' | 'enforces' | 'principal'>,
  { audit, metrics }: Pick<GuardServices, 'audit' | 'metrics'>,
): Promise<void> {
  metrics.requests.inc({ model: model.name, mode: verdict.mode, verdict: verdict.verdict });
  metrics.durations.observe({ stage: 'total' }, verdict.timings_ms.total / 1000);
  if (verdict.failure !== null) {
    const forwarded = verdict.enforced ? 'blocked' : 'allowed';
    // Where only a verdict was asked for there is nothing to allow.
    const outcome = enforces ? forwarded : 'reported';
    metrics.failures.inc({ class: verdict.failure.class, policy_outcome: outcome });
  }
  if (verdict.score !== null) {
    metrics.scores.observe({ model: model.name }, verdict.score);
    metrics.durations.observe({ stage: 'extract' }, verdict.timings_ms.extract / 1000);
    metrics.durations.observe({ stage: 'decide' }, verdict.timings_ms.decide / 1000);
  }
  if (verdict.reasons.includes(nearDuplicates)) {
    metrics.queryAttacks.inc({ model: model.name, action: model.policy.queries?.action ?? 'flag' });
  }
  for (const { forwards } of verdict.rows) {
    if (forwards !== undefined) metrics.forwards.observe({ model: model.name }, forwards);
  }
  const entry = {
    verdict,
    model: model.name,
    // Of what the client sent: what a file was decoded to, nobody else has.
    requestDigest: file === undefined ? null : await sha256Digest(file),
    principal,
  };
  try {
    await audit.write(entry);
  } catch (cause) {
    metrics.auditFailures.inc();
    // The line is the entry's only copy.
    log('error', 'audit.failure', { verdict_id: verdict.id, request_id: verdict.request_id, entry, cause });
  }
}
