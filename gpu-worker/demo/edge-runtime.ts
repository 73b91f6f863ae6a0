// Runs the edge and its detector Worker in workerd on this machine, with D1, R2 and Workflows, in one Miniflare.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { GuardError } from '../../shared/errors.ts';
import { buildEdge, type EdgeBuild } from './build-edge.ts';
import { applyMigrations, type EdgeStorage, edgeStorage, storageDeskFile } from './edge-storage.ts';

/** The dates and flags of the two wrangler.toml files. */
const compatibilityDate = '2026-07-01';

/** How often screenings that stand still are looked for. */
const sweepEveryMs = 60_000;

/** How the edge is run. */
export interface EdgeOptions {
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
  /** Folder for D1, R2 and Workflows; without it all end with the process. */
  readonly persistDir?: string | undefined;
  /** Variables and secrets, by the names of edge/config.ts. */
  readonly bindings: Readonly<Record<string, string>>;
  /** Bindings of the edge behind which an address answers, as a Worker of containers would: `host:port` by their names. */
  readonly services?: Readonly<Record<string, string>>;
  /** Variables of the detector Worker; by default the edge's own key of artefacts. */
  readonly detectorBindings?: Readonly<Record<string, string>>;
  /** Objects to put into R2 before the first request. */
  readonly artefacts: readonly { readonly key: string; readonly bytes: Uint8Array }[];
  /** JavaScript of a module that stands before the edge's own, `./worker.js`: tests break its bindings in it. */
  readonly frontModule?: string;
  /** Takes each line that the Workers log; they go to the console where it is not given. */
  readonly onLog?: (line: string) => void;
}

/** A running edge. */
export interface RunningEdge {
  readonly url: URL;
  /** The audit's database and the bucket of the artefacts. */
  readonly storage: EdgeStorage;
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
  const deskToken = randomBytes(16).toString('hex');
  const miniflare = new Miniflare(
    convertV4MiniflareOptions(await miniflareOptions(options, { build, deskToken })),
  );
  try {
    await miniflare.ready;
    const storage = edgeStorage(miniflare, deskToken);
    await applyMigrations(storage);
    for (const { key, bytes } of artefacts) await storage.putArtefact(key, bytes);
    const url = await miniflare.unsafeGetDirectURL('edge');
    const live = await fetch(new URL('/v2/health/live', url));
    if (live.status !== 200) {
      throw new GuardError(
        'invalid_config',
        `the edge refuses its bindings (status ${live.status}); its log names them`,
      );
    }
    const sweeping = sweepScreenings(miniflare);
    const stop = async () => {
      clearInterval(sweeping);
      await miniflare.dispose();
    };
    return { url, storage, stop };
  } catch (thrown) {
    await miniflare.dispose();
    throw thrown;
  }
}

/** Does what Cloudflare does by the cron of wrangler.toml, and at once: a process before this one may have left screenings. */
function sweepScreenings(miniflare: Miniflare): NodeJS.Timeout {
  const sweep = async () => {
    // Its type comes from a package that is not here.
    const worker = (await miniflare.getWorker('edge')) as unknown as {
      scheduled(event: { readonly cron: string }): Promise<unknown>;
    };
    await worker.scheduled({ cron: '* * * * *' });
  };
  // What fails is done the next time.
  const attempt = () => void sweep().catch(() => undefined);
  attempt();
  return setInterval(attempt, sweepEveryMs);
}

async function miniflareOptions(
  { host, port, persistDir, bindings, services = {}, detectorBindings, frontModule, onLog }: EdgeOptions,
  { build, deskToken }: { build: EdgeBuild; deskToken: string },
): Promise<Parameters<typeof convertV4MiniflareOptions>[0]> {
  const { edgeDir, detectorDir } = build;
  const d1Databases = { DB: 'nccr-guard' };
  const r2Buckets = { ARTEFACTS: 'nccr-guard-artefacts' };
  const screenings = { SCREENINGS: 'nccr-guard-screenings' };
  const onStructuredLog = ({ message }: { message: string }) => onLog?.(message);
  return {
    // Miniflare's own entry costs more than the guard does: callers come in by the edge's direct socket, and this one leads
    // to the first Worker, the desk.
    host: '127.0.0.1',
    port: 0,
    cf: false,
    log: new Log(LogLevel.ERROR),
    ...(onLog === undefined ? {} : { handleStructuredLogs: onStructuredLog }),
    ...(persistDir === undefined ? {} : { resourcePersistencePath: path.resolve(persistDir) }),
    workers: [
      {
        name: 'desk',
        compatibilityDate,
        modulesRoot: path.dirname(storageDeskFile),
        modules: [{ type: 'ESModule', path: storageDeskFile }],
        bindings: { DESK_TOKEN: deskToken },
        d1Databases,
        r2Buckets: { ...r2Buckets, ...screenings },
      },
      {
        name: 'edge',
        compatibilityDate,
        compatibilityFlags: ['nodejs_compat', 'enable_request_signal'],
        modulesRoot: edgeDir,
        modules: [...frontModules(edgeDir, frontModule), ...(await bundleModules(edgeDir))],
        bindings: { ...bindings },
        d1Databases,
        r2Buckets: { ...r2Buckets, ...screenings },
        workflows: { SCREENING: { name: 'nccr-guard-screening', className: 'ScreeningWorkflow' } },
        durableObjects: { QUERIES: { className: 'QueryHistory', useSQLite: true } },
        serviceBindings: {
          DETECTOR: { name: 'detector', entrypoint: 'DetectorWorker' },
          ...neighboursOf(bindings),
          ...externalServices(services),
        },
        ratelimits: rateLimitsOf(bindings),
        unsafeDirectSockets: [{ host, port }],
      },
      {
        name: 'detector',
        compatibilityDate,
        modulesRoot: detectorDir,
        modules: await bundleModules(detectorDir),
        bindings: { ...(detectorBindings ?? artefactKeyOf(bindings)) },
        r2Buckets,
      },
    ],
  };
}

function artefactKeyOf({ ARTEFACT_PUBLIC_KEY: key }: EdgeOptions['bindings']): Record<string, string> {
  return key === undefined ? {} : { ARTEFACT_PUBLIC_KEY: key };
}

/**
 * Bindings that lead straight to the neighbours: every request that a Worker makes by an address of its own goes through a Worker
 * of Miniflare's before it leaves, which costs more than the guard does.
 */
function neighboursOf(bindings: EdgeOptions['bindings']) {
  const addresses = { GPU_WORKER: bindings.GPU_WORKER_URL, UPSTREAM: bindings.UPSTREAM_URL };
  const plain = Object.entries(addresses).filter(([, address]) => address?.startsWith('http:'));
  return Object.fromEntries(
    plain.map(([name, address]) => {
      const { hostname, port } = new URL(address);
      return [name, { external: { address: `${hostname}:${port || 80}`, http: {} } }];
    }),
  );
}

function externalServices(services: Readonly<Record<string, string>>) {
  const external = (address: string) => ({ external: { address, http: {} } });
  return Object.fromEntries(Object.entries(services).map(([name, address]) => [name, external(address)]));
}

/** The bindings of the limits that `RATE_LIMITS` says, as wrangler.toml has them. */
function rateLimitsOf({ RATE_LIMITS: text = '{}' }: EdgeOptions['bindings']) {
  const limits = JSON.parse(text) as Record<string, { readonly limit: number; readonly period: 10 | 60 }>;
  return Object.fromEntries(
    Object.entries(limits).map(([tier, { limit, period }], index) => [
      `RATE_LIMIT_${tier.toUpperCase()}`,
      { namespace_id: String(1001 + index), simple: { limit, period } },
    ]),
  );
}

/** What stands before a bundle's entry: the first module is the one that Miniflare enters. */
function frontModules(folder: string, contents: string | undefined) {
  return contents === undefined
    ? []
    : [{ type: 'ESModule' as const, path: path.join(folder, 'front.js'), contents }];
}

/** The modules of a bundle, its entry first. */
async function bundleModules(folder: string): Promise<{ type: 'ESModule' | 'CompiledWasm'; path: string }[]> {
  const wasm = (await readdir(folder)).filter((file) => file.endsWith('.wasm'));
  return [
    { type: 'ESModule', path: path.join(folder, 'worker.js') },
    ...wasm.map((file) => ({ type: 'CompiledWasm' as const, path: path.join(folder, file) })),
  ];
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
