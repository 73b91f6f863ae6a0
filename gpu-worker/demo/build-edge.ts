// Bundles the edge and the detector Worker with wrangler; a bundle is named by its sources and built once.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { glob, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GuardError } from '../../shared/errors.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Everything that a bundle is made of, as patterns under the repository's root. */
const sources = [
  'edge/**/*.ts',
  'edge/**/wrangler.toml',
  'shared/**/*.ts',
  'gpu-worker/demo/build-dashboard.ts',
  'wrangler.toml',
  'package.json',
  'package-lock.json',
];

/** All of wrangler's environment: it finds Node for the build of the dashboard, and nothing asks the network for updates, telemetry or request metadata. */
const environment = {
  PATH: path.dirname(process.execPath),
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  DO_NOT_TRACK: '1',
  CI: '1',
};

/** Folders of the two bundles: each has a `worker.js` and the modules that it imports. */
export interface EdgeBuild {
  readonly edgeDir: string;
  readonly detectorDir: string;
}

/**
 * Builds both Workers where their sources changed since the last build.
 * @throws GuardError `internal` with wrangler's own words where a bundle cannot be made
 */
export async function buildEdge(): Promise<EdgeBuild> {
  const stamp = await sourceStamp();
  const [edgeDir, detectorDir] = await Promise.all([
    buildWorker({ name: 'edge', config: 'wrangler.toml', stamp }),
    buildWorker({ name: 'detector', config: 'edge/detector-worker/wrangler.toml', stamp }),
  ]);
  return { edgeDir, detectorDir };
}

async function buildWorker({ name, config, stamp }: { name: string; config: string; stamp: string }) {
  const folder = path.join(root, 'dist', name);
  const target = path.join(folder, stamp);
  if (existsSync(target)) return target;
  await mkdir(folder, { recursive: true });
  const earlier = await readdir(folder);
  // Built aside and renamed, so that a build that was broken off is never taken for one, whoever else builds meanwhile.
  const unfinished = path.join(folder, `unfinished-${stamp}-${process.pid}`);
  const wrangler = path.join(root, 'node_modules/wrangler/bin/wrangler.js');
  const deploy = ['deploy', '--dry-run', '--minify', '--outdir', unfinished, '-c', path.join(root, config)];
  try {
    await promisify(execFile)(process.execPath, [wrangler, ...deploy], {
      cwd: root,
      env: environment,
    });
    await rename(unfinished, target).catch((cause: unknown) => {
      if (!existsSync(target)) throw cause;
    });
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
    throw new GuardError('internal', `wrangler could not bundle ${config}:\n${stdout}${stderr}`, { cause });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  const outdated = earlier.filter((entry) => !entry.startsWith('unfinished-') && entry !== stamp);
  await Promise.all(outdated.map((entry) => rm(path.join(folder, entry), { recursive: true, force: true })));
  return target;
}

/** A digest of all sources: a build is current where it carries the digest of today's. */
async function sourceStamp(): Promise<string> {
  const files: string[] = [];
  for await (const file of glob(sources, { cwd: root })) files.push(file);
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    hash
      .update(`${file}\0`)
      .update(await readFile(path.join(root, file)))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

if (import.meta.main) {
  const { edgeDir, detectorDir } = await buildEdge();
  console.log(`edge      ${edgeDir}\ndetector  ${detectorDir}`);
}
