// Retention: what is older than it may be is deleted, in small batches, so that no write of a verdict waits long behind one.
import { log } from '../../shared/log.ts';
import type { AuditStore } from '../clients/audit-store.ts';

/** Rows of one batch, and batches of one run: of a run every minute, 14 million rows a day. */
const batchRows = 500;
const batchesMax = 20;
const dayMs = 86_400_000;

/**
 * Deletes verdicts of before the retention began.
 * @param days how long verdicts are kept; undefined keeps them for ever
 * @returns rows that were deleted
 */
export async function keepAudit(
  days: number | undefined,
  { audit, now = Date.now() }: { readonly audit: Pick<AuditStore, 'deleteBefore'>; readonly now?: number },
): Promise<number> {
  if (days === undefined) return 0;
  const before = new Date(now - days * dayMs).toISOString();
  let deleted = 0;
  for (let batch = 0; batch < batchesMax; batch++) {
    const rows = await audit.deleteBefore(before, batchRows);
    deleted += rows;
    if (rows < batchRows) break;
  }
  if (deleted > 0) log('info', 'audit.retention', { deleted, before });
  return deleted;
}
