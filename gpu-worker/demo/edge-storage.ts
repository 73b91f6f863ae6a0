// The edge's D1 and R2 as the program that runs workerd sees them, and the migrations of the audit.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Miniflare } from 'miniflare';
import { GuardError } from '../../shared/errors.ts';

/** The Worker on the other side: see storage-desk.js. */
export const storageDeskFile = fileURLToPath(new URL('./storage-desk.js', import.meta.url));

const migrationFolder = fileURLToPath(new URL('../../edge/migrations/', import.meta.url));

/** A statement with the values of its question marks. */
export interface SqlStatement {
  readonly sql: string;
  readonly values?: readonly (string | number | null)[];
}

/** What the edge stores. */
export interface EdgeStorage {
  /** Runs statements as one transaction; gives the rows of each. */
  run<Row>(...statements: readonly SqlStatement[]): Promise<readonly (readonly Row[])[]>;
  /** Puts an object into the bucket of the artefacts. */
  putArtefact(key: string, bytes: Uint8Array): Promise<void>;
  /** Keys of the bucket of screenings that begin with this. */
  listScreenings(prefix: string): Promise<readonly string[]>;
}

/**
 * Opens the storage of a Miniflare whose first Worker is the desk.
 * @param token the desk's DESK_TOKEN
 */
export function edgeStorage(miniflare: Miniflare, token: string): EdgeStorage {
  const ask = async (target: string, init: { method: string; body?: string | Uint8Array<ArrayBuffer> }) => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await miniflare.dispatchFetch(`http://desk/${target}`, { ...init, headers });
    if (!answer.ok) throw new GuardError('internal', `the edge's storage: ${await answer.text()}`);
    return answer;
  };
  return {
    async run<Row>(...statements: readonly SqlStatement[]) {
      const body = JSON.stringify(statements.map(({ sql, values = [] }) => ({ sql, values })));
      return (await (await ask('', { method: 'POST', body })).json()) as Row[][];
    },
    async putArtefact(key, bytes) {
      await ask(encodeURIComponent(key), { method: 'PUT', body: Uint8Array.from(bytes) });
    },
    async listScreenings(prefix) {
      return (await (await ask(encodeURIComponent(prefix), { method: 'GET' })).json()) as string[];
    },
  };
}

/** Applies what was not applied yet, in the table in which `wrangler d1 migrations` keeps its own account. */
export async function applyMigrations(storage: EdgeStorage): Promise<void> {
  await storage.run({
    sql: `CREATE TABLE IF NOT EXISTS d1_migrations (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT UNIQUE,
      applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
    )`,
  });
  const [rows] = await storage.run<{ name: string }>({ sql: 'SELECT name FROM d1_migrations' });
  const applied = new Set(rows.map(({ name }) => name));
  const files = (await readdir(migrationFolder)).filter((file) => file.endsWith('.sql')).sort();
  for (const file of files.filter((name) => !applied.has(name))) {
    const text = await readFile(path.join(migrationFolder, file), 'utf8');
    const statements = text.split(/;\s*$/m).filter((statement) => statement.trim() !== '');
    const record = { sql: 'INSERT INTO d1_migrations (name) VALUES (?)', values: [file] };
    await storage.run(...statements.map((sql) => ({ sql })), record);
  }
}
