// Bundles the dashboard's browser code, a file a page, into one JSON file that the edge is bundled with. wrangler.toml runs it.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { dashboardPages } from '../../shared/contracts/dashboard.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = path.join(root, 'dist', 'dashboard');

/** Bundles every page's script; browsers of the last years run them as they are. */
export async function buildDashboard(): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    entryPoints: dashboardPages.map((page) => path.join(root, 'edge/dashboard/browser', `${page}.ts`)),
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2023',
    legalComments: 'none',
    write: false,
    logLevel: 'silent',
  });
  return Object.fromEntries(outputFiles.map((file) => [path.basename(file.path), file.text]));
}

if (import.meta.main) {
  await mkdir(folder, { recursive: true });
  // Written aside and renamed: two builds at once must not read each other's half.
  const unfinished = path.join(folder, `unfinished-${process.pid}.json`);
  await writeFile(unfinished, JSON.stringify(await buildDashboard()));
  await rename(unfinished, path.join(folder, 'browser.json'));
}
