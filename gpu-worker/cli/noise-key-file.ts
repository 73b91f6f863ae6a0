// The noise key as a file of 64 hexadecimal digits that only its owner reads.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { importNoiseKeyHex, type NoiseKey, noiseKeyBytes } from '../../shared/noise/noise-key.ts';
import { readInput } from './options.ts';
import { writeWhole } from './write-file.ts';

/** A key, and its file: not yet written where the key was made just now. */
export interface NoiseKeyFile {
  readonly key: NoiseKey;
  readonly hex: string;
  readonly isNew: boolean;
  /** Writes a new key, for its owner's eyes alone; does nothing for one that was read. */
  readonly keep: () => Promise<void>;
}

/**
 * Reads a key file, or makes a random key for it where there is none.
 * @throws GuardError `invalid_config` where the file holds something else
 */
export async function openNoiseKeyFile(path: string): Promise<NoiseKeyFile> {
  const isNew = !existsSync(path);
  const text = isNew ? randomBytes(noiseKeyBytes).toString('hex') : (await readInput(path)).toString('utf8');
  const hex = text.trim();
  return {
    key: await importNoiseKeyHex(hex),
    hex,
    isNew,
    keep: async () => {
      if (isNew) await writeWhole(path, `${hex}\n`, 0o600);
    },
  };
}
