// Whether the owner of an ended job was told: a mark in D1, so that a word that was begun is brought to its end.
import type { D1Binding } from '../bindings.ts';
import type { JobHold } from './job-store.ts';

/** Where it is written down. */
export type NoticeStore = ReturnType<typeof noticeStore>;

/** Makes the store over a database that has edge/migrations applied. */
export function noticeStore(database: D1Binding, { leaseMs }: { leaseMs: number }) {
  const ours =
    "id = ? AND generation = ? AND notice = 'pending' AND state IN ('completed', 'failed', 'cancelled')";
  const change = async (sets: string, { job, generation }: JobHold, value: string | number) => {
    const sql = `UPDATE screenings SET ${sets} WHERE ${ours} RETURNING id`;
    const row = await database.prepare(sql).bind(value, job, generation).first();
    return row !== null;
  };
  return {
    /** Says that the run still delivers, or waits to; false where there is nothing to say, or another run says it. */
    keep: (hold: JobHold, waitMs = 0): Promise<boolean> =>
      change('lease_until = ?', hold, Date.now() + waitMs + leaseMs),

    /** Ends the matter. */
    end: (hold: JobHold, outcome: 'delivered' | 'undelivered'): Promise<boolean> =>
      change('notice = ?', hold, outcome),
  };
}
