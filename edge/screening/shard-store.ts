// The shards and classes of a job as rows of D1: what is done, and what there is to count.
import { assert } from '../../shared/assert.ts';
import type { LabelCounts } from '../../shared/screening/class-blocks.ts';
import type { D1Binding, D1Statement } from '../bindings.ts';

/** One shard of a data set. */
export interface StoredShard {
  readonly shard: number;
  /** Row of its first example in the data set. */
  readonly firstRow: number;
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
  /** The last shards that were extracted, latest first. */
  readonly lastExtracted: readonly { readonly examples: number; readonly extractedAt: number }[];
}

/** Shards whose rate stands for those to come. */
const measuredShards = 16;

/** Where shards and classes are written down. */
export type ShardStore = ReturnType<typeof shardStore>;

/** Makes the store over a database that has edge/migrations applied. */
export function shardStore(database: D1Binding) {
  const prepare = (sql: string, ...values: (string | number | null)[]) =>
    database.prepare(sql).bind(...values);
  return {
    /** Statement that keeps a shard that lies in the bucket; a shard that is read again is the same. */
    put(
      job: string,
      { shard, examples, labels }: Pick<StoredShard, 'shard' | 'examples' | 'labels'>,
    ): D1Statement {
      const sql =
        'INSERT INTO screening_shards (job, shard, examples, labels) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING';
      return prepare(sql, job, shard, examples, JSON.stringify(labels));
    },

    /** Shards `from` up to but not `to`, in order. */
    async list(job: string, { from = 0, to = Number.MAX_SAFE_INTEGER } = {}): Promise<StoredShard[]> {
      const sql = `SELECT shard, examples, labels, extracted_at,
          (SELECT COALESCE(SUM(examples), 0) FROM screening_shards WHERE job = ?1 AND shard < ?2) AS rows_before
        FROM screening_shards WHERE job = ?1 AND shard >= ?2 AND shard < ?3 ORDER BY shard`;
      const { results } = await prepare(sql, job, from, to).all<ShardRow>();
      let firstRow = results[0]?.rows_before ?? 0;
      return results.map(({ shard, examples, labels, extracted_at }) => {
        const row = firstRow;
        firstRow += examples;
        const counts = JSON.parse(labels) as LabelCounts;
        return { shard, firstRow: row, examples, labels: counts, extractedAt: extracted_at };
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

    /** Statement that marks the classes from one label up to another, whose verdicts lie in the bucket. */
    markJudged(job: string, { first, last }: { first: number; last: number }): D1Statement {
      const sql = 'UPDATE screening_classes SET judged = 1 WHERE job = ? AND label >= ? AND label <= ?';
      return prepare(sql, job, first, last);
    },

    /** One query, for who waits for a job asks often. */
    async counts(job: string): Promise<JobCounts> {
      const row = await prepare(
        `SELECT
          (SELECT COALESCE(SUM(examples), 0) FROM screening_shards WHERE job = ?1) AS examplesRead,
          (SELECT COALESCE(SUM(examples), 0) FROM screening_shards WHERE job = ?1 AND extracted_at IS NOT NULL)
            AS examplesExtracted,
          (SELECT COUNT(*) FROM screening_classes WHERE job = ?1) AS classes,
          (SELECT COUNT(*) FROM screening_classes WHERE job = ?1 AND judged = 1) AS classesJudged,
          (SELECT json_group_array(json_object('examples', examples, 'extractedAt', extracted_at)) FROM (
            SELECT examples, extracted_at FROM screening_shards
            WHERE job = ?1 AND extracted_at IS NOT NULL ORDER BY extracted_at DESC LIMIT ?2)) AS last`,
        job,
        measuredShards,
      ).first<Omit<JobCounts, 'lastExtracted'> & { readonly last: string }>();
      assert(row !== null, 'a selection of counts has a row');
      const { last, ...counts } = row;
      return { ...counts, lastExtracted: JSON.parse(last) as JobCounts['lastExtracted'] };
    },
  };
}

interface ShardRow {
  readonly shard: number;
  readonly examples: number;
  readonly labels: string;
  readonly extracted_at: number | null;
  readonly rows_before: number;
}
