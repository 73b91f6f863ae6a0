// Robustness reports that operators sent in: a row in D1 that lists each, its bytes in R2.
import { type RobustnessSummary, robustnessSummarySchema } from '../../shared/contracts/robustness-report.ts';
import type { D1Binding, R2BucketBinding } from '../bindings.ts';

/** Where they are kept. */
export type RobustnessStore = ReturnType<typeof robustnessStore>;

/** Which reports are listed. */
export interface ListedReports {
  readonly limit: number;
  /** Id of the last one of the page before. */
  readonly after: string | undefined;
  /** Digest of a model's file: reports that measured it; all where it is undefined. */
  readonly model: string | undefined;
}

interface ReportRow {
  readonly id: string;
  readonly digest: string;
  readonly created_at: string;
  readonly created_by: string;
  readonly summary: string;
}

/** Makes the store over a database that has edge/migrations applied, and a bucket in which `robustness/` is its own. */
export function robustnessStore(database: D1Binding, bucket: R2BucketBinding) {
  const prepare = (sql: string, ...values: (string | number | null)[]) =>
    database.prepare(sql).bind(...values);
  const objectKey = (id: string) => `robustness/${id}.json`;
  return {
    /**
     * Stores a report; of bytes that are stored already the report that they are stored as.
     * @returns what was stored, and whether it is new
     */
    async create(
      { id, digest, created_at, created_by, ...summary }: RobustnessSummary,
      bytes: Uint8Array,
    ): Promise<{ stored: RobustnessSummary; isNew: boolean }> {
      // The bytes first: a row without them would be a report that nobody can read.
      await bucket.put(objectKey(id), bytes);
      const sql =
        'INSERT INTO robustness_reports (id, digest, created_at, created_by, summary) VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING';
      const insert = prepare(sql, id, digest, created_at, created_by, JSON.stringify(summary));
      const read = prepare('SELECT * FROM robustness_reports WHERE digest = ?', digest);
      const [, { results }] = await database.batch([insert, read]);
      const stored = summaryOf(results[0] as ReportRow);
      const isNew = stored.id === id;
      if (!isNew) await bucket.delete([objectKey(id)]);
      return { stored, isNew };
    },

    /** Latest first. */
    async list({ limit, after, model }: ListedReports): Promise<RobustnessSummary[]> {
      const sql = `SELECT * FROM robustness_reports WHERE id < ?1 AND (?2 IS NULL OR EXISTS (
        SELECT 1 FROM json_each(summary, '$.models') WHERE json_extract(value, '$.digest') = ?2
      )) ORDER BY id DESC LIMIT ?3`;
      const { results } = await prepare(sql, after ?? '~', model ?? null, limit).all<ReportRow>();
      return results.map(summaryOf);
    },

    /** The bytes of a report; undefined where there is none of this id. */
    async read(id: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
      const row = await prepare('SELECT id FROM robustness_reports WHERE id = ?', id).first();
      const object = row === null ? null : await bucket.get(objectKey(id));
      return object === null ? undefined : new Uint8Array(await object.arrayBuffer());
    },

    /** Deletes a report. False where there is none of this id. */
    async remove(id: string): Promise<boolean> {
      const row = await prepare('DELETE FROM robustness_reports WHERE id = ? RETURNING id', id).first();
      if (row === null) return false;
      await bucket.delete([objectKey(id)]);
      return true;
    },
  };
}

function summaryOf({ summary, ...row }: ReportRow): RobustnessSummary {
  return robustnessSummarySchema.parse({ ...row, ...(JSON.parse(summary) as object) });
}
