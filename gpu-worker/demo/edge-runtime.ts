// Runs the edge and its detector Worker in workerd on this machine, with D1 and R2, in one Miniflare.
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { GuardError } from '../../shared/errors.ts';
import { buildEdge, type EdgeBuild } from './build-edge.ts';

const migrationFolder = fileURLToPath(new URL('../../edge/migrations/', import.meta.url));
/** The dates and flags of the two wrangler.toml files. */
const compatibilityDate = '2026-07-01';

/** How the edge is run. */
export interface EdgeOptions {
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
  /** Folder for D1 and R2; without it both end with the process. */
  readonly persistDir?: string | undefined;
  /** Variables and secrets, by the names of edge/config.ts. */
  readonly bindings: Readonly<Record<string, string>>;
  /** Objects to put into R2 before the first request. */
  readonly artefacts: readonly { readonly key: string; readonly bytes: Uint8Array }[];
  /** Takes each line that the Workers log; they go to the console where it is not given. */
  readonly onLog?: (line: string) => void;
}

/** The audit's database, as much of D1 as its readers need. */
export interface AuditDatabase {
  exec(sql: string): Promise<unknown>;
  prepare(sql: string): AuditStatement;
  batch(statements: readonly AuditStatement[]): Promise<unknown>;
}

/** A statement of an `AuditDatabase`. */
export interface AuditStatement {
  bind(...values: readonly (string | number | null)[]): AuditStatement;
  all<Row>(): Promise<{ readonly results: readonly Row[] }>;
}

interface Bucket {
  put(key: string, value: ArrayBuffer): Promise<unknown>;
}

/** A running edge. */
export interface RunningEdge {
  readonly url: URL;
  readonly database: AuditDatabase;
  stop(): Promise<void>;
}

/**
 * Builds the edge where its sources changed and starts it.
 * @throws GuardError `invalid_config` where the port is taken or the edge refuses its bindings
 */
export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  const { host, port, artefacts } = options;
  const build = await buildEdge();
  await checkPortFree({ host, port });
  const miniflare = new Miniflare(convertV4MiniflareOptions(await miniflareOptions(options, build)));
  try {
    await miniflare.ready;
    const database = (await miniflare.getD1Database('DB', 'edge')) as unknown as AuditDatabase;
    await applyMigrations(database);
    const bucket = (await miniflare.getR2Bucket('ARTEFACTS', 'edge')) as unknown as Bucket;
    for (const { key, bytes } of artefacts) await bucket.put(key, Uint8Array.from(bytes).buffer);
    const url = await miniflare.unsafeGetDirectURL('edge');
    const live = await fetch(new URL('/v2/health/live', url));
    if (live.status !== 200) {
      throw new GuardError(
        'invalid_config',
        `the edge refuses its bindings (status ${live.status}); its log names them`,
      );
    }
    return { url, database, stop: () => miniflare.dispose() };
  } catch (thrown) {
    await miniflare.dispose();
    throw thrown;
  }
}

async function miniflareOptions(
  { host, port, persistDir, bindings, onLog }: EdgeOptions,
  { edgeDir, detectorDir }: EdgeBuild,
): Promise<Parameters<typeof convertV4MiniflareOptions>[0]> {
  const onStructuredLog = ({ message }: { message: string }) => onLog?.(message);
  return {
    // Miniflare's own entry costs more than the guard does: callers come in by the direct socket below.
    host: '127.0.0.1',
    port: 0,
    cf: false,
    log: new Log(LogLevel.ERROR),
    ...(onLog === undefined ? {} : { handleStructuredLogs: onStructuredLog }),
    ...(persistDir === undefined ? {} : { resourcePersistencePath: path.resolve(persistDir) }),
    workers: [
      {
        name: 'edge',
        compatibilityDate,
        compatibilityFlags: ['nodejs_compat'],
        modulesRoot: edgeDir,
        modules: await bundleModules(edgeDir),
        bindings: { ...bindings },
        d1Databases: { DB: 'nccr-guard' },
        r2Buckets: { ARTEFACTS: 'nccr-guard-artefacts' },
        serviceBindings: { DETECTOR: { name: 'detector', entrypoint: 'DetectorWorker' } },
        unsafeDirectSockets: [{ host, port }],
      },
      {
        name: 'detector',
        compatibilityDate,
        modulesRoot: detectorDir,
        modules: await bundleModules(detectorDir),
        r2Buckets: { ARTEFACTS: 'nccr-guard-artefacts' },
      },
    ],
  };
}

/** The modules of a bundle, its entry first. */
async function bundleModules(folder: string): Promise<{ type: 'ESModule' | 'CompiledWasm'; path: string }[]> {
  const wasm = (await readdir(folder)).filter((file) => file.endsWith('.wasm'));
  return [
    { type: 'ESModule', path: path.join(folder, 'worker.js') },
    ...wasm.map((file) => ({ type: 'CompiledWasm' as const, path: path.join(folder, file) })),
  ];
}

/** Applies what was not applied yet, in the table in which `wrangler d1 migrations` keeps its own account. */
async function applyMigrations(database: AuditDatabase): Promise<void> {
  await database.exec(
    'CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
  );
  const { results } = await database.prepare('SELECT name FROM d1_migrations').all<{ name: string }>();
  const applied = new Set(results.map(({ name }) => name));
  const files = (await readdir(migrationFolder)).filter((file) => file.endsWith('.sql')).sort();
  for (const file of files.filter((name) => !applied.has(name))) {
    const sql = await readFile(path.join(migrationFolder, file), 'utf8');
    const statements = sql.split(/;\s*$/m).filter((statement) => statement.trim() !== '');
    await database.batch([
      ...statements.map((statement) => database.prepare(statement)),
      database.prepare('INSERT INTO d1_migrations (name) VALUES (?)').bind(file),
    ]);
  }
}

/** Miniflare's own words for a taken port do not name it. */
async function checkPortFree({ host, port }: { host: string; port: number }): Promise<void> {
  const probe = createServer();
  probe.listen(port, host);
  try {
    await once(probe, 'listening');
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const detail = taken ? `port ${port} on ${host} is taken` : `cannot listen on ${host}:${port}`;
    throw new GuardError('invalid_config', detail, { cause });
  }
  probe.close();
  await once(probe, 'close');
}
