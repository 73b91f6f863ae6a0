// Policies in D1: immutable numbered versions, and a draft of the next one.
import {
  type Policy,
  type PolicyDraft,
  type PolicyVersion,
  policySchema,
} from '../../shared/contracts/policy.ts';
import type { D1Binding } from '../bindings.ts';

/** A draft, and the number that counts every change to a model's policy. */
export interface StoredDraft {
  /** 0 before the first change. */
  readonly revision: number;
  readonly draft: PolicyDraft | null;
}

/** Who does something at which state of a model's policy. */
export interface PolicyEdit {
  readonly model: string;
  /** The revision that they have seen: where it is another by now nothing is done. */
  readonly revision: number;
  readonly by: string;
}

/** Where policies are kept. */
export type PolicyStore = ReturnType<typeof policyStore>;

interface VersionRow {
  readonly model: string;
  readonly version: number;
  readonly policy: string;
  readonly published_at: string;
  readonly published_by: string;
  readonly restored_from: number | null;
}

interface DraftRow {
  readonly revision: number;
  readonly policy: string | null;
  readonly saved_at: string;
  readonly saved_by: string;
}

/** Makes the store over a database that has edge/migrations applied. */
export function policyStore(database: D1Binding) {
  const prepare = (sql: string, ...values: (string | number | null)[]) =>
    database.prepare(sql).bind(...values);
  const readDraft = async (model: string): Promise<StoredDraft> => {
    const sql = 'SELECT revision, policy, saved_at, saved_by FROM policy_drafts WHERE model = ?';
    const row = await prepare(sql, model).first<DraftRow>();
    return { revision: row?.revision ?? 0, draft: row === null ? null : draftOf(row) };
  };
  return {
    /** The version that was published last; undefined where none was. */
    async latest(model: string): Promise<PolicyVersion | undefined> {
      const sql = 'SELECT * FROM policy_versions WHERE model = ? ORDER BY version DESC LIMIT 1';
      const row = await prepare(sql, model).first<VersionRow>();
      return row === null ? undefined : versionOf(row);
    },

    /** A published version; undefined where there is none of this number. */
    async version(model: string, version: number): Promise<PolicyVersion | undefined> {
      const sql = 'SELECT * FROM policy_versions WHERE model = ? AND version = ?';
      const row = await prepare(sql, model, version).first<VersionRow>();
      return row === null ? undefined : versionOf(row);
    },

    /** Published versions, latest first, below a number. */
    async versions(model: string, { below, limit }: { below: number; limit: number }) {
      const sql =
        'SELECT * FROM policy_versions WHERE model = ? AND version < ? ORDER BY version DESC LIMIT ?';
      return (await prepare(sql, model, below, limit).all<VersionRow>()).results.map(versionOf);
    },

    readDraft,

    /** Saves a draft; false where the revision is another by now. */
    async saveDraft({ model, revision, by }: PolicyEdit, policy: Policy): Promise<boolean> {
      const sql = `INSERT INTO policy_drafts (model, revision, policy, saved_at, saved_by) VALUES (?, 1, ?, ?, ?)
        ON CONFLICT (model) DO UPDATE SET revision = revision + 1, policy = excluded.policy, saved_at = excluded.saved_at,
          saved_by = excluded.saved_by WHERE revision = ? RETURNING revision`;
      const saved = [model, JSON.stringify(policy), new Date().toISOString(), by];
      return (await prepare(sql, ...saved, revision).first()) !== null;
    },

    /** Publishes the draft of this revision; the number of the new version, or undefined where there is no such draft by now. */
    async publish({ model, revision, by }: PolicyEdit): Promise<number | undefined> {
      const now = new Date().toISOString();
      const publish = `INSERT INTO policy_versions (model, version, policy, published_at, published_by)
        SELECT model, 1 + coalesce((SELECT max(version) FROM policy_versions WHERE model = ?1), 0), policy, ?2, ?3
        FROM policy_drafts WHERE model = ?1 AND revision = ?4 AND policy IS NOT NULL RETURNING version`;
      const clear = `UPDATE policy_drafts SET revision = revision + 1, policy = NULL, saved_at = ?2, saved_by = ?3
        WHERE model = ?1 AND revision = ?4 AND policy IS NOT NULL`;
      const values = [model, now, by, revision];
      return numberOf(await database.batch([prepare(publish, ...values), prepare(clear, ...values)]));
    },

    /** Publishes an old version's policy again; the new number, or undefined where the revision is another by now. */
    async restore(
      { model, revision, by }: PolicyEdit,
      { policy, version }: Pick<PolicyVersion, 'policy' | 'version'>,
    ): Promise<number | undefined> {
      const now = new Date().toISOString();
      const publish = `INSERT INTO policy_versions (model, version, policy, published_at, published_by, restored_from)
        SELECT ?1, 1 + coalesce((SELECT max(version) FROM policy_versions WHERE model = ?1), 0), ?4, ?2, ?3, ?5
        WHERE coalesce((SELECT revision FROM policy_drafts WHERE model = ?1), 0) = ?6 RETURNING version`;
      const count = `INSERT INTO policy_drafts (model, revision, saved_at, saved_by) VALUES (?1, 1, ?2, ?3)
        ON CONFLICT (model) DO UPDATE SET revision = revision + 1 WHERE revision = ?4`;
      return numberOf(
        await database.batch([
          prepare(publish, model, now, by, JSON.stringify(policy), version, revision),
          prepare(count, model, now, by, revision),
        ]),
      );
    },
  };
}

function numberOf([published]: readonly { readonly results: readonly unknown[] }[]): number | undefined {
  return (published.results as readonly { readonly version: number }[])[0]?.version;
}

function versionOf({ policy, ...row }: VersionRow): PolicyVersion {
  return { ...row, policy: policySchema.parse(JSON.parse(policy)) };
}

function draftOf({ policy, saved_at, saved_by }: DraftRow): PolicyDraft | null {
  if (policy === null) return null;
  return { policy: policySchema.parse(JSON.parse(policy)), saved_at, saved_by };
}
