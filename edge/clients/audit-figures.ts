// What the audit's database knows that no single isolate does: scores of late, drift, jobs, and what retention has deleted.
import type { D1Binding } from '../bindings.ts';

/** What a comparison with the calibration came to; see edge/guard/model-drift.ts. */
export const driftStates = ['steady', 'drifting', 'too_few', 'no_reference', 'no_detector'] as const;
export type DriftState = (typeof driftStates)[number];

/** The last comparison of a model. */
export interface StoredDrift {
  readonly model: string;
  /** When it was made. */
  readonly at: string;
  /** `sha256:…` of the detector's artefact; null where none could be loaded. */
  readonly artefact: string | null;
  readonly state: DriftState;
  readonly rows: number;
  readonly index: number | null;
  readonly bound: number | null;
}

/** Figures that are the same whichever isolate tells them. */
export interface AuditFigures {
  readonly jobs: readonly { readonly state: string; readonly jobs: number }[];
  readonly drifts: readonly StoredDrift[];
  /** Verdicts that retention has deleted since the beginning. */
  readonly deleted: number;
}

/** Which scores are asked for. */
export interface ScoreWindow {
  readonly model: string;
  readonly artefact: string;
  /** Instant as verdicts have it. */
  readonly since: string;
  /** Requests of late that are looked at, and rows of theirs. */
  readonly requestsMax: number;
  readonly rowsMax: number;
}

/** Where they are read and kept. */
export interface AuditFiguresStore {
  readAll(): Promise<AuditFigures>;
  /** Scores of the rows of late that one detector has scored, newest first. */
  recentScores(window: ScoreWindow): Promise<readonly number[]>;
  keepDrift(drift: StoredDrift): Promise<void>;
}

const driftColumns = 'model, at, artefact, state, rows, stability_index AS "index", bound';

/** Makes the store over a database that has edge/migrations applied. */
export function auditFigures(database: D1Binding): AuditFiguresStore {
  return {
    async readAll() {
      const [jobs, drifts, deleted] = await database.batch([
        database.prepare('SELECT state, count(*) AS jobs FROM screenings GROUP BY state'),
        database.prepare(`SELECT ${driftColumns} FROM score_drift`),
        database.prepare("SELECT value FROM audit_totals WHERE name = 'deleted'"),
      ]);
      return {
        jobs: jobs.results as AuditFigures['jobs'],
        drifts: drifts.results as StoredDrift[],
        deleted: (deleted.results as { value: number }[]).at(0)?.value ?? 0,
      };
    },
    async recentScores({ model, artefact, since, requestsMax, rowsMax }) {
      const requests =
        'SELECT body FROM verdicts INDEXED BY verdicts_by_model ' +
        'WHERE model = ? AND at >= ? AND artefact = ? AND score IS NOT NULL ORDER BY at DESC, id DESC LIMIT ?';
      const sql =
        "SELECT json_extract(rows.value, '$.score') AS score " +
        `FROM (${requests}) AS requests, json_each(requests.body, '$.rows') AS rows LIMIT ?`;
      const { results } = await database
        .prepare(sql)
        .bind(model, since, artefact, requestsMax, rowsMax)
        .all<{ score: number }>();
      return results.map(({ score }) => score);
    },
    async keepDrift({ model, at, artefact, state, rows, index, bound }) {
      const sql =
        'INSERT INTO score_drift (model, at, artefact, state, rows, stability_index, bound) VALUES (?, ?, ?, ?, ?, ?, ?) ' +
        'ON CONFLICT (model) DO UPDATE SET at = excluded.at, artefact = excluded.artefact, state = excluded.state, ' +
        'rows = excluded.rows, stability_index = excluded.stability_index, bound = excluded.bound';
      await database.prepare(sql).bind(model, at, artefact, state, rows, index, bound).run();
    },
  };
}
