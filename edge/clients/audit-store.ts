// The audit: every verdict as a row of D1, with a digest of its request and never the request.
import { type Verdict, type VerdictKind, verdictSchema } from '../../shared/contracts/verdict.ts';
import type { D1Binding, D1Statement } from '../bindings.ts';
import { groupCommit } from './group-commit.ts';

/** One audit entry. */
export interface AuditEntry {
  readonly verdict: Verdict;
  readonly model: string;
  /** `sha256:…` of the request's body; null where it was not read. */
  readonly requestDigest: string | null;
  /** Id of whoever sent the request; null of an entry of before it was kept. */
  readonly principal: string | null;
}

/** Which entries are asked for; every filter that is given holds. */
export interface AuditFilter {
  readonly model?: string | undefined;
  readonly verdict?: VerdictKind | undefined;
  readonly failure?: string | undefined;
  readonly principal?: string | undefined;
  /** ISO 8601 in UTC with milliseconds, as verdicts have it; inclusive. */
  readonly from?: string | undefined;
  /** The same, exclusive. */
  readonly to?: string | undefined;
}

/** Where in the audit an entry stands. Verdicts of one millisecond are told apart by their ids. */
export interface AuditPlace {
  readonly at: string;
  readonly id: string;
}

/** One page to read. */
export interface AuditPage extends AuditFilter {
  readonly order: 'newest' | 'oldest';
  /** Entries beyond this one alone. */
  readonly after?: AuditPlace | undefined;
  readonly limit: number;
}

/** Where verdicts are kept. */
export interface AuditStore {
  /** Ends once the entry is written; rejects where a bounded retry did not help. */
  write(entry: AuditEntry): Promise<void>;
  /** The entry of a verdict; undefined where there is none. */
  read(id: string): Promise<AuditEntry | undefined>;
  /** Entries by time. */
  list(page: AuditPage): Promise<readonly AuditEntry[]>;
  /** Deletes the oldest entries of before an instant, as many as `limit`, adds them to the total, and says how many there were. */
  deleteBefore(at: string, limit: number): Promise<number>;
  /** Entries that were deleted since the beginning. */
  deletedTotal(): Promise<number>;
}

interface StoredRow {
  readonly body: string;
  readonly model: string;
  readonly request_digest: string;
  readonly principal: string | null;
}

/** Makes the store over a database that has edge/migrations applied. `onRetry` counts each further try to write. */
export function auditStore(database: D1Binding, onRetry: () => void): AuditStore {
  const write = groupCommit<AuditEntry>({
    async write(entries) {
      await database.batch(entries.map((entry) => insertion(database, entry)));
    },
    onRetry,
  });
  return {
    write,
    async read(id) {
      const sql = 'SELECT body, model, request_digest, principal FROM verdicts WHERE id = ?';
      const row = await database.prepare(sql).bind(id).first<StoredRow>();
      return row === null ? undefined : entryOf(row);
    },
    async list(page) {
      const { sql, values } = listQuery(page);
      const { results } = await database
        .prepare(sql)
        .bind(...values)
        .all<StoredRow>();
      return results.map(entryOf);
    },
    async deleteBefore(at, limit) {
      const oldest = 'SELECT id FROM verdicts WHERE at < ? ORDER BY at, id LIMIT ?';
      const add =
        "INSERT INTO audit_totals (name, value) VALUES ('deleted', changes()) " +
        'ON CONFLICT (name) DO UPDATE SET value = value + excluded.value';
      const [, counted] = await database.batch([
        database.prepare(`DELETE FROM verdicts WHERE id IN (${oldest})`).bind(at, limit),
        // Says what the statement before it did, as the one after it does.
        database.prepare('SELECT changes() AS deleted'),
        database.prepare(add),
      ]);
      return (counted.results[0] as { readonly deleted: number }).deleted;
    },
    async deletedTotal() {
      const sql = "SELECT value FROM audit_totals WHERE name = 'deleted'";
      return (await database.prepare(sql).first<{ readonly value: number }>())?.value ?? 0;
    },
  };
}

/**
 * The query of a page. It names its index, the one that leaves least to read, so that no filter can come to read the whole table.
 * @returns statement and values of its question marks
 */
export function listQuery(page: AuditPage): { sql: string; values: (string | number)[] } {
  const { order, after, limit, from, to } = page;
  const conditions: string[] = [];
  const values: (string | number)[] = [];
  const add = (condition: string, ...bound: readonly string[]) => {
    conditions.push(condition);
    values.push(...bound);
  };
  for (const column of ['model', 'verdict', 'failure', 'principal'] as const) {
    const wanted = page[column];
    if (wanted !== undefined) add(`${column} = ?`, wanted);
  }
  if (from !== undefined) add('at >= ?', from);
  if (to !== undefined) add('at < ?', to);
  const newest = order === 'newest';
  if (after !== undefined) add(`(at, id) ${newest ? '<' : '>'} (?, ?)`, after.at, after.id);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')} `;
  const direction = newest ? 'DESC' : 'ASC';
  const sql =
    `SELECT body, model, request_digest, principal FROM verdicts INDEXED BY ${indexFor(page)} ` +
    `${where}ORDER BY at ${direction}, id ${direction} LIMIT ?`;
  return { sql, values: [...values, limit] };
}

/** The rarer what is asked for, the fewer rows its index leaves; `allow` is what most verdicts are. */
function indexFor({ model, verdict, failure, principal }: AuditFilter): string {
  if (failure !== undefined) return 'verdicts_by_failure';
  if (verdict !== undefined && verdict !== 'allow') return 'verdicts_by_verdict';
  if (principal !== undefined) return 'verdicts_by_principal';
  if (model !== undefined) return 'verdicts_by_model';
  return verdict === undefined ? 'verdicts_by_time' : 'verdicts_by_verdict';
}

/** An entry that is there already is left as it is: a try whose answer was lost may have written it. */
function insertion(
  database: D1Binding,
  { verdict, model, requestDigest, principal }: AuditEntry,
): D1Statement {
  const row = {
    id: verdict.id,
    at: verdict.at,
    request_id: verdict.request_id,
    request_digest: requestDigest ?? '',
    model,
    mode: verdict.mode,
    verdict: verdict.verdict,
    enforced: verdict.enforced ? 1 : 0,
    score: verdict.score,
    failure: verdict.failure?.class ?? null,
    artefact: verdict.detector?.artefact ?? null,
    noise_key_id: verdict.detector?.noise_key_id ?? null,
    principal,
    body: JSON.stringify(verdict),
  };
  const columns = Object.keys(row);
  const places = columns.map(() => '?').join(', ');
  const sql = `INSERT INTO verdicts (${columns.join(', ')}) VALUES (${places}) ON CONFLICT (id) DO NOTHING`;
  return database.prepare(sql).bind(...Object.values(row));
}

function entryOf({ body, model, request_digest, principal }: StoredRow): AuditEntry {
  return {
    verdict: verdictSchema.parse(JSON.parse(body)),
    model,
    requestDigest: request_digest === '' ? null : request_digest,
    principal,
  };
}
