// Gathers what the gpu-worker's server runs on, and nothing else: its source files and a package.json of its packages alone.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** What a program is made of. */
export interface ProgramParts {
  /** Source files, relative to the repository's root, sorted. */
  readonly files: readonly string[];
  /** Names of the packages without which they do not start, sorted. */
  readonly packages: readonly string[];
  /** Names of those that they load where they are there, sorted. */
  readonly optionalPackages: readonly string[];
}

/** Imports of values, and files that a thread is started from. An import of types is gone before anything runs. */
const imports =
  /(?:^|\n)(?:import|export)\s(?!type\s)[^;']*?from\s+'([^']+)'|(?:^|\n)import\s+'([^']+)'|import\('([^']+)'\)|new URL\('([^']+\.ts)'/g;

/**
 * Follows the imports of a program.
 * @param root the repository
 * @param entry its first file, relative to the root
 */
export async function collectProgram(root: string, entry: string): Promise<ProgramParts> {
  const files = new Set<string>();
  const packages = new Set<string>();
  const optionalPackages = new Set<string>();
  const follow = async (file: string): Promise<void> => {
    if (files.has(file)) return;
    files.add(file);
    if (!file.endsWith('.ts')) return;
    const text = await readFile(path.join(root, file), 'utf8');
    for (const match of text.matchAll(imports)) {
      const target = match[1] ?? match[2] ?? match[3] ?? match[4];
      if (target.startsWith('.')) await follow(path.join(path.dirname(file), target));
      else if (!target.startsWith('node:')) {
        (match[3] === undefined ? packages : optionalPackages).add(packageName(target));
      }
    }
  };
  await follow(entry);
  const [needed, wished] = [packages, optionalPackages].map((names) => [...names].sort());
  return { files: [...files].sort(), packages: needed, optionalPackages: wished };
}

/** `@scope/name` or `name` of what is imported from a package. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * Copies a program into a folder, with the lock file, from which npm then installs the versions of this repository.
 * @throws Error where a package is imported that package.json does not list
 */
export async function collectWorker(root: string, target: string): Promise<void> {
  const { files, packages, optionalPackages } = await collectProgram(root, 'gpu-worker/server.ts');
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license: string;
    dependencies: Record<string, string>;
    allowScripts: Record<string, boolean>;
  };
  const missing = packages.filter((name) => manifest.dependencies[name] === undefined);
  if (missing.length > 0) throw new Error(`package.json does not list ${missing.join(', ')}`);
  for (const file of [...files, 'package-lock.json', 'LICENSE']) {
    await mkdir(path.join(target, path.dirname(file)), { recursive: true });
    await copyFile(path.join(root, file), path.join(target, file));
  }
  const { name, version, license, allowScripts } = manifest;
  const kept = [...packages, ...optionalPackages].filter((one) => manifest.dependencies[one] !== undefined);
  const dependencies = Object.fromEntries(kept.map((one) => [one, manifest.dependencies[one]]));
  const own = { name, version, license, private: true, type: 'module', dependencies, allowScripts };
  await writeFile(path.join(target, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
}

if (import.meta.main) await collectWorker(process.cwd(), process.argv[2]);
