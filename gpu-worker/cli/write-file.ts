// Writes a result in one piece: a command that fails or is killed leaves no half-written file.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { GuardError } from '../../shared/errors.ts';

/** Writes beside the target and renames, making its folder where there is none. */
export async function writeWhole(path: string, content: Uint8Array | string, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await writeFile(beside, content, { mode });
    await rename(beside, path);
  } catch (cause) {
    await rm(beside, { force: true });
    throw cause;
  }
}

/**
 * Refuses to write over what is read, also where another path leads to it.
 * @param written paths of results; undefined where an option is not given
 * @param read paths of what the results are made from
 * @throws GuardError `invalid_config`
 */
export async function requireOther(
  written: readonly (string | undefined)[],
  read: readonly string[],
): Promise<void> {
  const placeOf = async (path: string) => {
    const found = await stat(path).catch(() => undefined);
    return found && `${found.dev}:${found.ino}`;
  };
  const sources = new Set(await Promise.all(read.map(placeOf)));
  for (const path of written) {
    const place = path === undefined ? undefined : await placeOf(path);
    if (place !== undefined && sources.has(place)) {
      throw new GuardError('invalid_config', `${path} is read: the result goes to another file`);
    }
  }
}

/**
 * Refuses places where nothing can be written, before long work is done for them. Folders that are not there yet are left to
 * {@link writeWhole}, so that a command that is refused later leaves none behind.
 * @param paths files to be written; undefined where an option is not given
 * @throws GuardError `invalid_config`
 */
export async function requireWritable(...paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) {
    if (path === undefined) continue;
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) throw new GuardError('invalid_config', `${path} is a folder`);
    let folder = dirname(resolve(path));
    while (!existsSync(folder)) folder = dirname(folder);
    try {
      // A trailing slash refuses a file that stands where a folder should.
      await access(`${folder}/`, constants.W_OK);
    } catch (cause) {
      throw new GuardError('invalid_config', `nothing can be written to ${dirname(path)}`, { cause });
    }
  }
}
