// The audit as a stream of lines, a page at a time and only as fast as it is read.
import type { NoiseKey } from '../../shared/noise/noise-key.ts';
import type { AuditFilter, AuditPlace, AuditStore } from '../clients/audit-store.ts';
import { sealCursor } from './audit-cursor.ts';
import { ocsfFinding } from './ocsf-finding.ts';

/** Entries that are read at once. */
const pageEntries = 200;

/**
 * An export ends this long before now, unless it is told where: a verdict that is on its way to the audit has an earlier time
 * than when it gets there, and a collector that goes on behind the last line would never see it. Longer than a write may take.
 */
export const settledAfterMs = 30_000;

/** What is exported. */
export interface AuditExport {
  readonly filter: AuditFilter;
  readonly after: AuditPlace | undefined;
  readonly product: { readonly name: string; readonly version: string };
}

/** Streams entries, oldest first, as JSON lines of OCSF; each line holds the cursor that resumes behind it. */
export function exportAudit(
  { filter, after, product }: AuditExport,
  { audit, noiseKey }: { readonly audit: AuditStore; readonly noiseKey: NoiseKey },
): ReadableStream<Uint8Array> {
  const scope = { ...filter, order: 'oldest' } as const;
  const to = filter.to ?? new Date(Date.now() - settledAfterMs).toISOString();
  const encoder = new TextEncoder();
  let place = after;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const entries = await audit.list({ ...scope, to, after: place, limit: pageEntries });
        const lines = await Promise.all(
          entries.map(async (entry) => {
            const cursor = await sealCursor(entry.verdict, scope, noiseKey);
            return `${JSON.stringify(ocsfFinding(entry, { product, cursor }))}\n`;
          }),
        );
        place = entries.at(-1)?.verdict ?? place;
        if (lines.length > 0) controller.enqueue(encoder.encode(lines.join('')));
        if (lines.length < pageEntries) controller.close();
      },
    },
    // Nothing is read ahead of the reader.
    { highWaterMark: 0 },
  );
}
