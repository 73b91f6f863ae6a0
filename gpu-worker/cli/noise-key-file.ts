// The noise key as a file of 64 hexadecimal digits that only its owner reads.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { importNoiseKeyHex, type NoiseKey, noiseKeyBytes } from '../../shared/noise/noise-key.ts';
import { readInput } from './read-file.ts';
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
    key: await keyOfFile(path, hex),
    hex,
    isNew,
    keep: async () => {
      if (isNew) await writeWhole(path, `${hex}\n`, 0o600);
    },
  };
}

/**
 * Reads the key of a deployment from the file that an option names.
 * @returns undefined where none is named
 * @throws GuardError `not_found` or `invalid_config`
 */
export async function readNoiseKey(path: string | undefined): Promise<NoiseKey | undefined> {
  if (path === undefined) return undefined;
  return keyOfFile(path, (await readInput(path)).toString('utf8'));
}

/** @throws GuardError `invalid_config` that names the file, since a command may read several */
async function keyOfFile(path: string, hex: string): Promise<NoiseKey> {
  try {
    return await importNoiseKeyHex(hex.trim());
  } catch (cause) {
    if (!(cause instanceof GuardError)) throw cause;
    throw new GuardError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}

/** The plan with its transforms drawn by a key; as it is where there is none. */
export function keyedPlan(plan: ExtractionPlan, key: NoiseKey | undefined): ExtractionPlan {
  if (key === undefined) return plan;
  if (plan.transforms.length === 0) {
    throw new GuardError(
      'invalid_config',
      'there are no transforms to draw by a key: name a vector that reads some',
    );
  }
  return { ...plan, transforms_key_id: key.id };
}

/**
 * Reads the key that a detector's plan needs.
 * @throws GuardError `invalid_config` where the plan's transforms are keyed and no key file is named
 */
export async function noiseKeyOfPlan(
  plan: ExtractionPlan,
  path: string | undefined,
): Promise<NoiseKey | undefined> {
  if (path === undefined && plan.transforms_key_id !== undefined) {
    const detail = `the detector's transforms are drawn by the noise key ${plan.transforms_key_id}: name its file with --noise-key`;
    throw new GuardError('invalid_config', detail);
  }
  return readNoiseKey(path);
}
