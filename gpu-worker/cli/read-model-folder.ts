// The files of a TensorFlow.js model out of a folder.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { GuardError } from '../../shared/errors.ts';
import type { ModelFiles } from '../engine/tfjs-archive.ts';
import { readInput } from './read-file.ts';

const manifestSchema = z.looseObject({
  weightsManifest: z.array(z.looseObject({ paths: z.array(z.string()) })),
});

/** Whether a path names a model of TensorFlow.js, a folder or its model.json, and no ONNX file. */
export async function isModelFolder(path: string): Promise<boolean> {
  if (basename(path) === 'model.json') return true;
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

/**
 * Reads `model.json` and the shards that it names, or all files of a SavedModel.
 * @param path the folder, or its model.json
 * @throws GuardError `not_found` where a file is missing, `invalid_model` where the folder holds no model
 */
export async function readModelFolder(path: string): Promise<ModelFiles> {
  const folder = basename(path) === 'model.json' ? dirname(path) : path;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length));
  if (names.includes('saved_model.pb')) return readAll(folder, names);
  if (!names.includes('model.json')) {
    throw new GuardError('invalid_model', `${folder} has neither model.json nor saved_model.pb`);
  }
  const text = await readInput(join(folder, 'model.json'));
  const paths = manifestSchema.safeParse(parseJson(text, folder));
  if (!paths.success) throw new GuardError('invalid_model', `${folder}/model.json has no weightsManifest`);
  return readAll(folder, ['model.json', ...paths.data.weightsManifest.flatMap((group) => group.paths)]);
}

async function readAll(folder: string, names: readonly string[]): Promise<ModelFiles> {
  const files = new Map<string, Uint8Array>();
  for (const name of names) files.set(name, await readInput(join(folder, name)));
  return files;
}

function parseJson(text: Buffer, folder: string): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw new GuardError('invalid_model', `${folder}/model.json is not JSON`, { cause });
  }
}
