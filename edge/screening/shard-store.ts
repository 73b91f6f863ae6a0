// The shards and classes of a job as rows of D1: what is done, and what there is to count.
import type { LabelCounts } from '../../shared/screening/class-blocks.ts';
import type { D1Binding, D1Statement } from '../bindings.ts';

/** One shard of a data set. */
export interface StoredShard {
  readonly shard: number;
  readonly examples: number;
  readonly labels: LabelCounts;
  /** Instant in milliseconds at which its vectors were there; null before. */
  readonly extractedAt: number | null;
}

/** One class that has examples. */
export interface StoredClass {
  readonly label: number;
  readonly examples: number;
  readonly judged: boolean;
}

/** What of a job is done. */
export interface JobCounts {
  readonly examplesRead: number;
  readonly examplesExtracted: number;
  readonly classes: number;
  readonly classesJudged: number;
}

/** Where shards and classes are written down. */
export type ShardStore = ReturnType<typeof shardStore>;

/** Makes the store over a database that has edge/migrations applied. */
export function shardStore(database: D1Binding) {
  const prepare = (sql: string, ...values: (string | number | null)[]) =>
    database.prepare(sql).bind(...values);
  return {
    /** Statement that keeps a shard that lies in the bucket; a shard that is read again is the same. */
    put(job: string, { shard, examples, labels }: Omit<StoredShard, 'extractedAt'>): D1Statement {
      const sql =
        'INSERT INTO screening_shards (job, shard, examples, labels) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING';
      return prepare(sql, job, shard, examples, JSON.stringify(labels));
    },

    /** Shards `from` up to but not `to`, in order. */
    async list(job: string, { from = 0, to = Number.MAX_SAFE_INTEGER } = {}): Promise<StoredShard[]> {
      const sql =
        'SELECT shard, examples, labels, extracted_at FROM screening_shards WHERE job = ? AND shard >= ? AND shard < ? ORDER BY shard';
      const { results } = await prepare(sql, job, from, to).all<ShardRow>();
      return results.map(({ shard, examples, labels, extracted_at }) => {
        return { shard, examples, labels: JSON.parse(labels) as LabelCounts, extractedAt: extracted_at };
      });
    },

    /** Statement that marks a shard whose vectors lie in the bucket. */
    markExtracted(job: string, shard: number): D1Statement {
      const sql =
        'UPDATE screening_shards SET extracted_at = ? WHERE job = ? AND shard = ? AND extracted_at IS NULL';
      return prepare(sql, Date.now(), job, shard);
    },

    /** Keeps the classes of a data set that was read whole. */
    async putClasses(job: string, counts: LabelCounts): Promise<void> {
      const sql = `INSERT INTO screening_classes (job, label, examples, judged)
        SELECT ?, json_extract(value, '$[0]'), json_extract(value, '$[1]'), 0 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING`;
      await prepare(sql, job, JSON.stringify(counts)).run();
    },

    /** The classes that have examples, by label. */
    async classes(job: string): Promise<StoredClass[]> {
      const sql = 'SELECT label, examples, judged FROM screening_classes WHERE job = ? ORDER BY label';
      const { results } = await prepare(sql, job).all<{ label: number; examples: number; judged: number }>();
      return results.map(({ label, examples, judged }) => ({ label, examples, judged: judged === 1 }));
    },

    /** Statement that marks a class whose verdict lies in the bucket. */
    markJudged(job: string, label: number): D1Statement {
      return prepare('UPDATE screening_classes SET judged = 1 WHERE job = ? AND label = ?', job, label);
    },

    async counts(job: string): Promise<JobCounts> {
      const counts = await prepare(
        `SELECT
          (SELECT COALESCE(SUM(examples), 0) FROM screening_shards WHERE job = ?1) AS examplesRead,
          (SELECT COALESCE(SUM(examples), 0) FROM screening_shards WHERE job = ?1 AND extracted_at IS NOT NULL)
            AS examplesExtracted,
          (SELECT COUNT(*) FROM screening_classes WHERE job = ?1) AS classes,
          (SELECT COUNT(*) FROM screening_classes WHERE job = ?1 AND judged = 1) AS classesJudged`,
        job,
      ).first<JobCounts>();
      return counts ?? { examplesRead: 0, examplesExtracted: 0, classes: 0, classesJudged: 0 };
    },

    /** The last shards that were extracted, latest first. */
    async lastExtracted(job: string, limit: number): Promise<{ examples: number; extractedAt: number }[]> {
      const sql = `SELECT examples, extracted_at AS extractedAt FROM screening_shards
        WHERE job = ? AND extracted_at IS NOT NULL ORDER BY extracted_at DESC LIMIT ?`;
      const { results } = await prepare(sql, job, limit).all<{ examples: number; extractedAt: number }>();
      return [...results];
    },
  };
}

interface ShardRow {
  readonly shard: number;
  readonly examples: number;
  readonly labels: string;
  readonly extracted_at: number | null;
}
