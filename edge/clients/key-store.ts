// API keys in D1. A database that does not answer in time has failed: a request waits for it before it is anybody's.
import { type ApiKey, apiKeySchema } from '../../shared/contracts/api-key.ts';
import { GuardError } from '../../shared/errors.ts';
import type { D1Binding } from '../bindings.ts';

/** A key with what is kept of its secret. */
export interface StoredKey extends ApiKey {
  /** SHA-256 in hexadecimal digits. */
  readonly secret_digest: string;
}

/** Where keys are kept; whatever fails is `credentials_unavailable`. */
export interface KeyStore {
  create(key: StoredKey): Promise<void>;
  /** A key, revoked and expired ones too; undefined where there is none of this id. */
  read(id: string): Promise<StoredKey | undefined>;
  /** Latest first. @param after id of the last one of the page before */
  list(page: { readonly limit: number; readonly after: string | undefined }): Promise<readonly StoredKey[]>;
  /** Revokes a key; one that is revoked already keeps its time. False where there is none of this id. */
  revoke(id: string, at: string): Promise<boolean>;
}

/** Time that the database may take, in milliseconds. */
const answerMsMax = 1_000;

/** Makes the store over a database that has edge/migrations applied. */
export function keyStore(database: D1Binding): KeyStore {
  return {
    async create(key) {
      const row = {
        ...key,
        scopes: JSON.stringify(key.scopes),
        models: key.models === null ? null : JSON.stringify(key.models),
      };
      const places = Object.keys(row).map(() => '?');
      const sql = `INSERT INTO api_keys (${Object.keys(row).join(', ')}) VALUES (${places.join(', ')})`;
      const statement = database.prepare(sql).bind(...Object.values(row));
      await inTime(() => statement.run());
    },
    async read(id) {
      const statement = database.prepare('SELECT * FROM api_keys WHERE id = ?').bind(id);
      return inTime(async () => {
        const row = await statement.first<KeyRow>();
        return row === null ? undefined : keyOf(row);
      });
    },
    async list({ limit, after }) {
      const sql = 'SELECT * FROM api_keys WHERE id < ? ORDER BY id DESC LIMIT ?';
      const statement = database.prepare(sql).bind(after ?? '~', limit);
      return inTime(async () => (await statement.all<KeyRow>()).results.map(keyOf));
    },
    async revoke(id, at) {
      const sql = 'UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING id';
      const statement = database.prepare(sql).bind(at, id);
      return (await inTime(() => statement.first())) !== null;
    },
  };
}

interface KeyRow extends Omit<StoredKey, 'scopes' | 'models'> {
  readonly scopes: string;
  readonly models: string | null;
}

/** A row that is not a key's, such as one with a scope that does not exist, is a failure and gives nobody anything. */
function keyOf({ secret_digest, scopes, models, ...row }: KeyRow): StoredKey {
  const key = {
    ...row,
    scopes: JSON.parse(scopes) as unknown,
    models: models === null ? null : (JSON.parse(models) as unknown),
  };
  return { ...apiKeySchema.parse(key), secret_digest };
}

async function inTime<T>(ask: () => Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${answerMsMax} ms`)), answerMsMax);
  try {
    return await Promise.race([ask(), late]);
  } catch (cause) {
    throw new GuardError('credentials_unavailable', 'the store of keys does not answer', {
      cause,
      retryAfterSeconds: 1,
    });
  } finally {
    clearTimeout(timer);
  }
}
