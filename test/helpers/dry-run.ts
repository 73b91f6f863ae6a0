// `wrangler deploy --dry-run` of one Worker in one environment: what would be uploaded, and what it would be bound to.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const root = path.resolve(import.meta.dirname, '../..');

/** Nothing asks the network for updates, telemetry or credentials. */
const environment = {
  PATH: path.dirname(process.execPath),
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  DO_NOT_TRACK: '1',
  CI: '1',
};

/** What wrangler says of a bundle. */
export interface DryRun {
  readonly output: string;
  readonly rawKib: number;
  readonly gzipKib: number;
}

/**
 * Bundles a Worker as a deployment would.
 * @param config its wrangler.toml, from the repository's root
 * @param outdir absolute folder that gets the bundle
 */
export async function dryRun(
  config: string,
  { env, outdir }: { readonly env: string; readonly outdir: string },
): Promise<DryRun> {
  const wrangler = path.join(root, 'node_modules/wrangler/bin/wrangler.js');
  const deploy = ['deploy', '--dry-run', '--minify', '--outdir', outdir, '--env', env];
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [wrangler, ...deploy, '-c', path.join(root, config)],
    { cwd: root, env: environment },
  );
  const output = `${stdout}${stderr}`;
  const sizes = /Total Upload: ([\d.]+) KiB \/ gzip: ([\d.]+) KiB/.exec(output);
  if (sizes === null) throw new Error(`wrangler says no size:\n${output}`);
  return { output, rawKib: Number(sizes[1]), gzipKib: Number(sizes[2]) };
}
