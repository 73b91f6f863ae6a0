// The noise key as a file of 64 hexadecimal digits that only its owner reads.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { importNoiseKeyHex, type NoiseKey, noiseKeyBytes } from '../../shared/noise/noise-key.ts';
import { readInput } from './options.ts';
import { writeWhole } from './write-file.ts';

/**
 * Reads a key file, making a new random key where there is none.
 * @throws GuardError `invalid_config` where the file holds something else
 */
export async function openNoiseKeyFile(
  path: string,
): Promise<{ key: NoiseKey; hex: string; created: boolean }> {
  const created = !existsSync(path);
  if (created) await writeWhole(path, `${randomBytes(noiseKeyBytes).toString('hex')}\n`, 0o600);
  const hex = (await readInput(path)).toString('utf8').trim();
  return { key: await importNoiseKeyHex(hex), hex, created };
}
