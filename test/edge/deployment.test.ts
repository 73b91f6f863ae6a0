// What would be deployed: the wrangler.toml files agree with each other, and every Worker bundles within the platform's bounds.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { afterAll, describe, expect, it } from 'vitest';
import { type Unstable_Config, unstable_readConfig } from 'wrangler';
import { dryRun } from '../helpers/dry-run.ts';

const root = path.resolve(import.meta.dirname, '../..');
const frontDoor = 'wrangler.toml';
const detector = 'edge/detector-worker/wrangler.toml';
const container = 'edge/gpu-container/wrangler.toml';
const environments = ['staging', 'production'] as const;

const outdir = mkdtempSync(path.join(tmpdir(), 'nccr-guard-deploy-'));
afterAll(() => rmSync(outdir, { recursive: true, force: true }));

function read(config: string, env?: string): Unstable_Config {
  return unstable_readConfig({ config: path.join(root, config), env }, { hideWarnings: true });
}

/** What a Worker finds in its environment, secrets apart. */
function bindingNames(config: Unstable_Config): string[] {
  return [
    ...Object.keys(config.vars),
    ...config.d1_databases.map(({ binding }) => binding),
    ...config.r2_buckets.map(({ binding }) => binding),
    ...config.workflows.map(({ binding }) => binding),
    ...config.durable_objects.bindings.map(({ name }) => name),
    ...(config.services ?? []).map(({ binding }) => binding),
    ...config.ratelimits.map(({ name }) => name),
  ].sort();
}

/** Names that are one's own within an account: two environments that share one would share what lies behind it. */
function resources(config: Unstable_Config): string[] {
  return [
    config.name ?? '',
    ...config.d1_databases.flatMap(({ database_name, database_id }) => [database_name, database_id]),
    ...config.r2_buckets.map(({ bucket_name }) => bucket_name),
    ...config.workflows.map(({ name }) => name),
    ...(config.services ?? []).map(({ service }) => service),
    ...config.ratelimits.map(({ namespace_id }) => namespace_id),
    ...(config.containers ?? []).flatMap(({ name, image }) => [name, image]),
  ].map(String);
}

describe('the wrangler.toml files', () => {
  it.each(environments)(
    'bind in %s what the guard runs with here, and a container in place of an address',
    (env) => {
      const here = bindingNames(read(frontDoor));
      expect(bindingNames(read(frontDoor, env))).toEqual([...here, 'GPU_CONTAINER'].sort());
      expect(read(frontDoor, env).vars.GPU_WORKER_URL).toBe('');
      expect(bindingNames(read(detector, env))).toEqual(bindingNames(read(detector)));
    },
  );

  it.each(environments)(
    'let the front door of %s find the Workers beside it, and the same artefacts',
    (env) => {
      const { services = [], r2_buckets: buckets, vars } = read(frontDoor, env);
      const beside = Object.fromEntries(services.map(({ binding, service }) => [binding, service]));
      expect(beside).toEqual({
        DETECTOR: read(detector, env).name,
        GPU_CONTAINER: read(container, env).name,
      });
      const artefacts = buckets.find(({ binding }) => binding === 'ARTEFACTS');
      expect(read(detector, env).r2_buckets).toEqual([artefacts]);
      expect(vars.ARTEFACT_PUBLIC_KEY).toBe(read(detector, env).vars.ARTEFACT_PUBLIC_KEY);
    },
  );

  it('share nothing between environments', () => {
    for (const config of [frontDoor, detector, container]) {
      const [staging, production] = environments.map((env) => resources(read(config, env)));
      expect(staging.filter((name) => production.includes(name))).toEqual([]);
    }
  });

  it.each([undefined, ...environments])('name rate limits as their bindings count them (%s)', (env) => {
    const { ratelimits, vars } = read(frontDoor, env);
    const bound = ratelimits.map(({ name, simple }) => [
      name.replace('RATE_LIMIT_', '').toLowerCase(),
      simple,
    ]);
    expect(JSON.parse(vars.RATE_LIMITS as string)).toEqual(Object.fromEntries(bound));
  });

  it.each(environments)('hold no secret, and name those of %s', (env) => {
    const secrets = [frontDoor, detector, container].map(
      (config) => read(config, env).secrets?.required ?? [],
    );
    expect(secrets).toEqual([['GPU_WORKER_TOKEN', 'NOISE_KEY', 'OPERATOR_TOKEN'], [], ['GPU_WORKER_TOKEN']]);
    for (const config of [frontDoor, detector, container]) {
      const written = Object.keys(read(config, env).vars);
      expect(written.filter((name) => /TOKEN|NOISE_KEY|SECRET/.test(name))).toEqual([]);
    }
  });

  it.each(environments)('start no more containers in %s than requests are spread over', (env) => {
    const { containers = [], vars, triggers } = read(container, env);
    expect(containers.map(({ max_instances }) => String(max_instances))).toEqual([
      vars.GPU_CONTAINER_INSTANCES,
    ]);
    expect(triggers.crons).toEqual(['* * * * *']);
  });
});

describe('wrangler deploy --dry-run', () => {
  // Of the compressed size the strictest bound that the platform has had, on its free and its paid plan; raw, of both.
  const freeKib = 3 * 1024;
  const paidKib = 10 * 1024;
  const rawKibMax = 64 * 1024;
  // What the others have otherwise than these is a name, which the tests above compare.
  const runs = [
    { worker: 'front door', config: frontDoor, env: 'staging', gzipKibMax: freeKib },
    { worker: 'front door', config: frontDoor, env: 'production', gzipKibMax: freeKib },
    { worker: 'detector', config: detector, env: 'production', gzipKibMax: paidKib },
    { worker: 'container', config: container, env: 'staging', gzipKibMax: freeKib },
  ];

  it.each(runs)(
    'bundles the $worker for $env within the bounds',
    async ({ env, worker, config, gzipKibMax }) => {
      const bundle = await dryRun(config, { env, outdir: path.join(outdir, `${worker}-${env}`) });
      console.log(`${worker}, ${env}: ${bundle.rawKib} KiB, ${bundle.gzipKib} KiB compressed`);
      expect(bundle.gzipKib).toBeLessThan(gzipKibMax);
      expect(bundle.rawKib).toBeLessThan(rawKibMax);
      for (const name of bindingNames(read(config, env))) expect(bundle.output).toContain(`env.${name} (`);
      expect(bundle.output).not.toMatch(/warning/i);
    },
  );

  it('gives a container Worker that answers 502 where no container starts, as here', async () => {
    const folder = path.join(outdir, 'container-staging');
    const miniflare = new Miniflare(
      convertV4MiniflareOptions({
        cf: false,
        log: new Log(LogLevel.NONE),
        handleStructuredLogs: () => undefined,
        modulesRoot: folder,
        modules: [{ type: 'ESModule', path: path.join(folder, 'worker.js') }],
        compatibilityDate: '2026-07-01',
        durableObjects: { GPU_WORKERS: { className: 'GpuWorkerContainer', useSQLite: true } },
        bindings: {
          GPU_CONTAINER_INSTANCES: '2',
          GPU_WORKER_WORKERS: '1',
          GPU_WORKER_TOKEN: 'a-token-of-some-characters',
        },
      }),
    );
    try {
      const answer = await miniflare.dispatchFetch('http://gpu-worker/v2/health/ready');
      expect(answer.status).toBe(502);
    } finally {
      await miniflare.dispose();
    }
  });
});
