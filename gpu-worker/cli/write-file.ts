// Writes a result in one piece: a command that fails or is killed leaves no half-written file.
import { randomBytes } from 'node:crypto';
import { access, constants, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
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
 * Refuses a place where nothing can be written, before long work is done for it; its folder is made where there is none.
 * @throws GuardError `invalid_config`
 */
export async function requireWritable(path: string): Promise<void> {
  const folder = dirname(path);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new GuardError('invalid_config', `${path} is a folder`);
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new GuardError('invalid_config', `nothing can be written to ${folder}`, { cause });
  }
}
