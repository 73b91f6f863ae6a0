// Puts figures of the database into the metrics before they are told.
import { jobStates } from '../../shared/contracts/screening-job.ts';
import { log } from '../../shared/log.ts';
import type { AuditFigures } from '../clients/audit-figures.ts';
import type { GuardServices } from './guard-services.ts';
import { withinDeadline } from './within-deadline.ts';

/** Time that the database may take: whoever scrapes waits. */
const readMsMax = 1_000;

/** Reads the figures that all isolates share. Where the database does not give them they are left out: old ones would look new. */
export async function showSharedFigures({
  figures,
  metrics,
}: Pick<GuardServices, 'figures' | 'metrics'>): Promise<void> {
  let found: AuditFigures | undefined;
  try {
    found = await withinDeadline(figures.readAll(), Date.now() + readMsMax, 'reading the figures');
  } catch (cause) {
    log('warn', 'metrics.incomplete', { cause });
  }
  metrics.jobs.reset();
  metrics.drift.reset();
  metrics.auditDeleted.reset();
  if (found === undefined) return;
  const { jobs, drifts, deleted } = found;
  for (const state of jobStates) {
    const count = jobs.find((one) => one.state === state)?.jobs ?? 0;
    metrics.jobs.set({ kind: 'screening', state }, count);
  }
  for (const { model, index } of drifts) if (index !== null) metrics.drift.set({ model }, index);
  metrics.auditDeleted.inc(deleted);
}
