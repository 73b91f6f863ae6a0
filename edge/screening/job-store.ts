// Screening jobs as rows of D1: who may write to one, how far it is, how it ended.
import {
  type JobStage,
  type JobState,
  type ScreeningRequest,
  screeningRequestSchema,
} from '../../shared/contracts/screening-job.ts';
import type { Problem } from '../../shared/problem-response.ts';
import type { D1Binding, D1Statement } from '../bindings.ts';
import type { ScreeningGraph } from '../clients/screening-extractor.ts';

/** The run of a job that may write to it. */
export interface JobHold {
  readonly job: string;
  readonly generation: number;
}

/** A job as it is kept. */
export interface StoredJob {
  readonly id: string;
  readonly requestDigest: string;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** Grows with every change. */
  readonly revision: number;
  readonly state: JobState | 'deleted';
  readonly stage: JobStage | null;
  readonly generation: number;
  readonly leaseUntil: number;
  readonly request: ScreeningRequest;
  /** What it extracts with, once that is settled. */
  readonly graph: ScreeningGraph | null;
  /** Names of the classes where the data set has any. */
  readonly classNames: readonly string[] | null;
  readonly datasetDigest: string | null;
  readonly examples: number | null;
  readonly poisoned: readonly number[] | null;
  readonly suspects: number | null;
  readonly failure: Problem | null;
  /** What the last failed try of a step said, as JSON; it counts where no further try succeeds. */
  readonly lastError: Problem | null;
}

/** A job to be. */
export interface NewJob {
  readonly id: string;
  readonly idempotencyKey: string;
  readonly requestDigest: string;
  readonly request: ScreeningRequest;
}

/** What a run of a job writes down. */
export interface JobChanges {
  readonly state?: JobState;
  readonly stage?: JobStage | null;
  readonly graph?: ScreeningGraph;
  readonly classNames?: readonly string[];
  readonly datasetDigest?: string;
  readonly examples?: number;
  readonly poisoned?: readonly number[];
  readonly suspects?: number;
  readonly failure?: Problem;
  readonly lastError?: Problem;
}

/** A job that somebody has to look after. */
export interface StalledJob {
  readonly id: string;
  readonly state: JobState | 'deleted';
}

/** Thrown in a run whose job was cancelled, deleted, ended, or taken over by another run. */
export class JobLost extends Error {
  override readonly name = 'JobLost';
}

/** Where jobs are kept. */
export type JobStore = ReturnType<typeof jobStore>;

/**
 * Makes the store over a database that has edge/migrations applied.
 * @param leaseMs how long a run that says nothing is believed to live
 */
export function jobStore(database: D1Binding, { leaseMs }: { leaseMs: number }) {
  const first = <Row>(sql: string, ...values: (string | number | null)[]) =>
    database
      .prepare(sql)
      .bind(...values)
      .first<Row>();
  const select = async (where: string, value: string) => {
    const row = await first<JobRow>(`SELECT * FROM screenings WHERE ${where} = ?`, value);
    return row === null ? undefined : jobOf(row);
  };
  /** The same as `keep`; false where the job is no longer this run's. */
  const keepIfOurs = async (
    { job, generation }: JobHold,
    changes: JobChanges,
    marks: readonly D1Statement[] = [],
  ): Promise<boolean> => {
    const columns = columnsOf(changes);
    const names = Object.keys(columns);
    const sets = ['lease_until = ?', ...names.map((name) => `${name} = ?`), touched].join(', ');
    const sql = `UPDATE screenings SET ${sets} WHERE id = ? AND state = 'running' AND generation = ? RETURNING id`;
    const values = [Date.now() + leaseMs, ...Object.values(columns), job, generation];
    const answers = await database.batch([...marks, database.prepare(sql).bind(...values)]);
    return answers[answers.length - 1].results.length > 0;
  };
  return {
    /** Whether the job was made: false where the key has one already. */
    async create({ id, idempotencyKey, requestDigest, request }: NewJob): Promise<boolean> {
      const now = new Date().toISOString();
      const made = await first(
        `INSERT INTO screenings (id, idempotency_key, request_digest, created_at, updated_at, revision, state, generation,
          lease_until, request, notice) VALUES (?, ?, ?, ?, ?, 1, 'uploading', 0, 0, ?, ?)
          ON CONFLICT (idempotency_key) DO NOTHING RETURNING id`,
        id,
        idempotencyKey,
        requestDigest,
        now,
        now,
        JSON.stringify(request),
        request.webhook === undefined ? null : 'pending',
      );
      return made !== null;
    },

    read: (id: string): Promise<StoredJob | undefined> => select('id', id),

    readByKey: (key: string): Promise<StoredJob | undefined> => select('idempotency_key', key),

    /** Jobs by falling id, which is by falling time, after that of the cursor. */
    async list({ limit, after }: { limit: number; after: string | undefined }): Promise<StoredJob[]> {
      const { results } = await database
        .prepare("SELECT * FROM screenings WHERE state <> 'deleted' AND id < ? ORDER BY id DESC LIMIT ?")
        .bind(after ?? '~', limit)
        .all<JobRow>();
      return results.map(jobOf);
    },

    /** Jobs that run but say nothing any more, and marks of deleted ones for which nothing can write any more. */
    async stalled(limit: number): Promise<readonly StalledJob[]> {
      const sql = `SELECT id, state FROM screenings WHERE lease_until < ? AND (state = 'deleted' OR ${goesOn}) LIMIT ?`;
      return (await database.prepare(sql).bind(Date.now(), limit).all<StalledJob>()).results;
    },

    /** Lets an uploaded job run; false where it was not uploading any more. */
    async startRunning(job: string): Promise<boolean> {
      // The lease has passed already: whoever starts runs takes the job over as after any standstill.
      return (
        (await first(
          `UPDATE screenings SET state = 'running', stage = 'ingest', lease_until = 0, ${touched}
            WHERE id = ? AND state = 'uploading' RETURNING id`,
          job,
        )) !== null
      );
    },

    /** Begins the next run of a job that says nothing any more; undefined where it lives or has ended. */
    async takeOver(job: string): Promise<number | undefined> {
      const taken = await first<{ generation: number }>(
        `UPDATE screenings SET generation = generation + 1, lease_until = ?, ${touched}
          WHERE id = ? AND ${goesOn} AND lease_until < ? RETURNING generation`,
        Date.now() + leaseMs,
        job,
        Date.now(),
      );
      return taken?.generation;
    },

    keepIfOurs,

    /**
     * Says that the run lives, and writes down what it found and did.
     * @param marks of what is done, in the same transaction
     * @throws JobLost where the job is no longer this run's
     */
    async keep(hold: JobHold, changes: JobChanges = {}, marks: readonly D1Statement[] = []): Promise<void> {
      if (await keepIfOurs(hold, changes, marks)) return;
      throw new JobLost(`job ${hold.job} is no longer that of run ${hold.generation}`);
    },

    /** Ends a job by its owner's word; false where it had ended. */
    async cancel(job: string): Promise<boolean> {
      const sql = `UPDATE screenings SET state = 'cancelled', stage = NULL, ${touched}
        WHERE id = ? AND state IN ('uploading', 'running') RETURNING id`;
      return (await first(sql, job)) !== null;
    },

    /** Leaves a mark that the job is gone until whatever may still write for it has ended. */
    async markDeleted(job: string): Promise<void> {
      const sql = `UPDATE screenings SET state = 'deleted', stage = NULL, idempotency_key = NULL, lease_until = ?, ${touched}
        WHERE id = ? RETURNING id`;
      await first(sql, Date.now() + leaseMs, job);
    },

    /** Removes every row of a job but the mark of one that is deleted; that too where nothing can write for it any more. */
    async removeRows(job: string, { mark }: { mark: boolean }): Promise<void> {
      const tables = ['screening_files', 'screening_parts', 'screening_shards', 'screening_classes'];
      const statements = tables.map((table) =>
        database.prepare(`DELETE FROM ${table} WHERE job = ?`).bind(job),
      );
      if (mark) statements.push(database.prepare('DELETE FROM screenings WHERE id = ?').bind(job));
      await database.batch(statements);
    },
  };
}

/** A job that a run is at, or ought to be: it is screened, or its owner is still to be told of its end. */
const goesOn =
  "(state = 'running' OR (state IN ('completed', 'failed', 'cancelled') AND notice = 'pending'))";

const touched = "revision = revision + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

interface JobRow {
  readonly id: string;
  readonly request_digest: string;
  readonly created_at: string;
  readonly updated_at: string;
  readonly revision: number;
  readonly state: JobState | 'deleted';
  readonly stage: JobStage | null;
  readonly generation: number;
  readonly lease_until: number;
  readonly request: string;
  readonly graph: string | null;
  readonly class_names: string | null;
  readonly dataset_digest: string | null;
  readonly examples: number | null;
  readonly poisoned: string | null;
  readonly suspects: number | null;
  readonly failure: string | null;
  readonly last_error: string | null;
}

function jobOf(row: JobRow): StoredJob {
  return {
    id: row.id,
    requestDigest: row.request_digest,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    revision: row.revision,
    state: row.state,
    stage: row.stage,
    generation: row.generation,
    leaseUntil: row.lease_until,
    request: screeningRequestSchema.parse(JSON.parse(row.request)),
    graph: parsed(row.graph),
    classNames: parsed(row.class_names),
    datasetDigest: row.dataset_digest,
    examples: row.examples,
    poisoned: parsed(row.poisoned),
    suspects: row.suspects,
    failure: parsed(row.failure),
    lastError: parsed(row.last_error),
  };
}

/** What this store wrote itself. */
function parsed<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}

function columnsOf(changes: JobChanges): Record<string, string | number | null> {
  const { state, stage, graph, classNames, datasetDigest, examples, poisoned, suspects, failure, lastError } =
    changes;
  return {
    ...(state === undefined ? {} : { state }),
    ...(stage === undefined ? {} : { stage }),
    ...(graph === undefined ? {} : { graph: JSON.stringify(graph) }),
    ...(classNames === undefined ? {} : { class_names: JSON.stringify(classNames) }),
    ...(datasetDigest === undefined ? {} : { dataset_digest: datasetDigest }),
    ...(examples === undefined ? {} : { examples }),
    ...(poisoned === undefined ? {} : { poisoned: JSON.stringify(poisoned) }),
    ...(suspects === undefined ? {} : { suspects }),
    ...(failure === undefined ? {} : { failure: JSON.stringify(failure) }),
    ...(lastError === undefined ? {} : { last_error: JSON.stringify(lastError) }),
  };
}
