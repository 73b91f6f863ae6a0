// What the demo keeps between starts: its secrets and the compiled model.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { GuardError } from '../../shared/errors.ts';
import { type NoiseKey, sha256Digest } from '../../shared/noise/noise-key.ts';
import { openNoiseKeyFile } from '../cli/noise-key-file.ts';
import { writeWhole } from '../cli/write-file.ts';
import type { Engine } from '../engine/engine.ts';
import { compileModel, readCompiledModel } from '../extraction/compile-model.ts';
import { planScreening } from '../extraction/plan-screening.ts';

/** The demo's folder with what the first start made in it. */
export interface DemoFolder {
  readonly noiseKey: NoiseKey;
  readonly noiseKeyHex: string;
  /** Token of the gpu-worker. */
  readonly token: string;
  /** Where compiled models lie. */
  readonly models: string;
  /** Where D1 and R2 lie. */
  readonly edge: string;
}

/** Opens the folder; the first time it makes the folder, a random noise key and a random token, for its owner's eyes alone. */
export async function openDemoFolder(folder: string): Promise<DemoFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { key, hex, keep } = await openNoiseKeyFile(join(folder, 'noise.key'));
  await keep();
  const tokenFile = join(folder, 'gpu-worker.token');
  if (!existsSync(tokenFile))
    await writeWhole(tokenFile, `${randomBytes(32).toString('base64url')}\n`, 0o600);
  const token = (await readFile(tokenFile, 'utf8')).trim();
  if (!/^[\w-]{43}$/.test(token)) throw new GuardError('invalid_config', `${tokenFile} holds no token`);
  return {
    noiseKey: key,
    noiseKeyHex: hex,
    token,
    models: join(folder, 'models'),
    edge: join(folder, 'edge'),
  };
}

/**
 * Compiles the protected model for its detector, unless the folder has it compiled for the same plan and key.
 * @returns whether it was compiled now
 */
export async function ensureCompiled(
  { models, noiseKey }: DemoFolder,
  { model, artefact, engine }: { model: Uint8Array; artefact: DetectorArtefact; engine: Engine },
): Promise<boolean> {
  const file = join(models, `${artefact.model.name}.onnx`);
  const { name } = artefact.model;
  const { plan } = artefact;
  const wanted = { digest: await sha256Digest(model), plan, noiseKeyId: noiseKey.id };
  if (isDeepStrictEqual(await compiledFor(file), wanted)) return false;
  const { bytes } = await compileModel(model, { name, plan, noiseKey, engine });
  await writeWhole(file, bytes);
  return true;
}

/**
 * Compiles the protected model for screening training data, unless the folder has it compiled for the same plan and key.
 * @returns whether it was compiled now
 */
export async function ensureScreening(
  { models, noiseKey }: DemoFolder,
  { model, artefact, engine }: { model: Uint8Array; artefact: DetectorArtefact; engine: Engine },
): Promise<boolean> {
  const { name } = artefact.model;
  const file = join(models, `${name}.screening.onnx`);
  const screening = 'nccr' as const;
  const plan = await planScreening(model, { engine, mode: screening, range: artefact.plan.input_range });
  const wanted = { digest: await sha256Digest(model), plan, noiseKeyId: noiseKey.id };
  if (isDeepStrictEqual(await compiledFor(file), wanted)) return false;
  const { bytes } = await compileModel(model, { name, plan, noiseKey, engine, screening });
  await writeWhole(file, bytes);
  return true;
}

/** What a compiled file was made for; undefined where it is not there or cannot be read, and is made anew. */
async function compiledFor(file: string): Promise<unknown> {
  try {
    const { model, plan, noise_key_id: noiseKeyId } = readCompiledModel(await readFile(file));
    return { digest: model.digest, plan, noiseKeyId };
  } catch {
    return undefined;
  }
}
