// The audit: every verdict as a row of D1, with a digest of its request and never the request.
import { type Verdict, verdictSchema } from '../../shared/contracts/verdict.ts';
import type { D1Binding } from '../bindings.ts';

/** One audit entry. */
export interface AuditEntry {
  readonly verdict: Verdict;
  readonly model: string;
  /** `sha256:…` of the request's body. */
  readonly requestDigest: string;
}

/** Where verdicts are kept. */
export interface AuditStore {
  write(entry: AuditEntry): Promise<void>;
  /** The entry of a verdict; undefined where there is none. */
  read(id: string): Promise<AuditEntry | undefined>;
}

/** Makes the store over a database that has edge/migrations applied. */
export function auditStore(database: D1Binding): AuditStore {
  return {
    async write({ verdict, model, requestDigest }) {
      const row = {
        id: verdict.id,
        at: verdict.at,
        request_id: verdict.request_id,
        request_digest: requestDigest,
        model,
        mode: verdict.mode,
        verdict: verdict.verdict,
        enforced: verdict.enforced ? 1 : 0,
        score: verdict.score,
        failure: verdict.failure?.class ?? null,
        artefact: verdict.detector?.artefact ?? null,
        noise_key_id: verdict.detector?.noise_key_id ?? null,
        body: JSON.stringify(verdict),
      };
      const columns = Object.keys(row);
      const places = columns.map(() => '?').join(', ');
      const sql = `INSERT INTO verdicts (${columns.join(', ')}) VALUES (${places})`;
      await database
        .prepare(sql)
        .bind(...Object.values(row))
        .run();
    },
    async read(id) {
      const sql = 'SELECT body, model, request_digest FROM verdicts WHERE id = ?';
      const row = await database
        .prepare(sql)
        .bind(id)
        .first<{ body: string; model: string; request_digest: string }>();
      if (row === null) return undefined;
      return {
        verdict: verdictSchema.parse(JSON.parse(row.body)),
        model: row.model,
        requestDigest: row.request_digest,
      };
    },
  };
}
