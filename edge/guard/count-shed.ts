// Requests of mode shadow that are left out under load: counted one by one, and written to the audit as one entry a second.
import { asGuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { AuditStore } from '../clients/audit-store.ts';
import type { GuardMetrics } from './guard-metrics.ts';
import type { JudgedRequest } from './judge-input.ts';
import { shedInShadow } from './judge-input.ts';

/** Time over which they are counted for one entry. */
export const tallyMs = 1_000;
/** After this time whoever was to write an entry is taken for dead: a request can be ended under its work. */
const writerMsMax = 5_000;

/** Counts requests that are left out. */
export interface ShedCount {
  /** Counts one. @returns where it is the one to write an entry, what ends once that is written, and never throws */
  add(request: JudgedRequest): Promise<void> | undefined;
}

interface Writing {
  readonly request: JudgedRequest;
  readonly key: string;
  readonly tally: Tally;
}

interface Tally {
  requests: number;
  writerUntil: number;
}

/** Makes it for one isolate. */
export function countShed(
  { audit, metrics }: { readonly audit: Pick<AuditStore, 'write'>; readonly metrics: GuardMetrics },
  {
    now = Date.now,
    sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
  }: { readonly now?: () => number; readonly sleep?: (ms: number) => Promise<void> } = {},
): ShedCount {
  const tallies = new Map<string, Tally>();
  const write = async ({ request, key, tally }: Writing) => {
    await sleep(tallyMs);
    // One that was taken for dead may come back when another has written for it.
    if (tallies.get(key) !== tally) return;
    const { requests } = tally;
    const { name } = request.model;
    tallies.delete(key);
    const { verdict } = shedInShadow(request);
    const entry = {
      verdict: { ...verdict, requests },
      model: name,
      requestDigest: null,
      principal: requests === 1 ? request.principal : null,
    };
    try {
      await audit.write(entry);
    } catch (cause) {
      metrics.auditFailures.inc();
      // The line is the entry's only copy.
      log('error', 'audit.failure', { verdict_id: verdict.id, entry, cause: asGuardError(cause) });
    }
  };
  return {
    add(request) {
      const { name, policyVersion } = request.model;
      metrics.requests.inc({ model: name, mode: 'shadow', verdict: 'not_scored' });
      metrics.failures.inc({ class: 'overload', policy_outcome: 'allowed' });
      const key = `${name} ${policyVersion}`;
      const tally = tallies.get(key) ?? { requests: 0, writerUntil: 0 };
      tallies.set(key, tally);
      tally.requests++;
      if (now() < tally.writerUntil) return undefined;
      tally.writerUntil = now() + writerMsMax;
      return write({ request, key, tally });
    },
  };
}
