// What one caller asked of one model of late, inside its Durable Object: in memory to compare with, in SQLite to outlive it.
import { queriesKeptMax } from '../../shared/limits.ts';
import { isNearDuplicate } from '../../shared/queries/near-duplicates.ts';
import type { ObjectStorage, QueryCall } from '../bindings.ts';

/** The state of one object. */
export interface QueryHistoryState {
  /**
   * Compares inputs with those before them, and keeps them. What is the very same input as an earlier one is neither counted nor
   * kept again: a client that tries again is no attack.
   * @returns [inputs]: how many earlier inputs each nearly equals
   */
  compare(call: QueryCall): number[];
  /** Forgets what is too old, and all of itself where nothing is left. */
  forget(): Promise<void>;
}

interface KeptQuery {
  readonly digest: string;
  /** Instants of `Date.now()`. */
  readonly at: number;
  readonly expiresAt: number;
  readonly fingerprint: Float64Array;
}

interface StoredQuery {
  readonly digest: string;
  readonly at: number;
  readonly expires_at: number;
  readonly fingerprint: ArrayBuffer;
}

const table =
  'CREATE TABLE IF NOT EXISTS queries (digest TEXT PRIMARY KEY, at INTEGER NOT NULL, expires_at INTEGER NOT NULL, fingerprint BLOB NOT NULL)';

/** Takes the state up from where the object left it. */
export function queryHistory(storage: ObjectStorage, now: () => number = Date.now): QueryHistoryState {
  storage.sql.exec(table);
  const kept = new Map<string, KeptQuery>();
  const stored = storage.sql.exec<StoredQuery>('SELECT * FROM queries ORDER BY at, rowid');
  for (const { digest, at, expires_at: expiresAt, fingerprint } of stored.toArray()) {
    kept.set(digest, { digest, at, expiresAt, fingerprint: new Float64Array(fingerprint) });
  }
  let wakes = false;
  const drop = ({ digest }: KeptQuery) => {
    kept.delete(digest);
    storage.sql.exec('DELETE FROM queries WHERE digest = ?', digest);
  };
  const dropExpired = () => {
    for (const query of kept.values()) if (query.expiresAt <= now()) drop(query);
  };
  const keep = (query: KeptQuery) => {
    const { digest, at, expiresAt, fingerprint } = query;
    const [oldest] = kept.values();
    if (kept.size >= queriesKeptMax) drop(oldest);
    kept.set(digest, query);
    const bytes = fingerprint.slice().buffer as ArrayBuffer;
    storage.sql.exec('INSERT INTO queries VALUES (?, ?, ?, ?)', digest, at, expiresAt, bytes);
  };
  return {
    compare({ inputs, windowMs }) {
      dropExpired();
      const at = now();
      if (!wakes) {
        wakes = true;
        void storage.setAlarm(at + windowMs);
      }
      return inputs.map(({ digest, fingerprint }) => {
        let matches = 0;
        for (const earlier of kept.values()) {
          const counts = earlier.digest !== digest && earlier.at > at - windowMs;
          if (counts && isNearDuplicate(fingerprint, earlier.fingerprint)) matches++;
        }
        if (!kept.has(digest)) keep({ digest, at, expiresAt: at + windowMs, fingerprint });
        return matches;
      });
    },
    async forget() {
      dropExpired();
      const last = [...kept.values()].at(-1);
      wakes = last !== undefined;
      if (last !== undefined) return storage.setAlarm(last.expiresAt);
      await storage.deleteAll();
      // The object itself may live on, and be asked again.
      storage.sql.exec(table);
    },
  };
}
