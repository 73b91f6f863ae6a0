// Entry of the gpu-worker: serves every compiled model of one folder.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { asGuardError, GuardError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { type GpuWorkerConfig, readConfig } from './config.ts';
import type { Engine, LoadOptions } from './engine/engine.ts';
import type { ResidentModels } from './resident-models.ts';
import { runServer } from './run-server.ts';
import { loadCompiledModel, type ServedModel } from './served-model.ts';

const { modelFolder, ...config } = configOrExit();
await runServer({
  ...config,
  name: 'nccr-guard gpu-worker',
  version: packageJson.version,
  loadModels: (engine, resident) => loadFolder({ engine, resident, folder: modelFolder }),
});

function configOrExit(): GpuWorkerConfig {
  try {
    return readConfig();
  } catch (thrown) {
    log('error', 'server.failed', { cause: asGuardError(thrown) });
    process.exit(1);
  }
}

interface FolderOptions {
  readonly engine: Engine;
  readonly resident: ResidentModels;
  readonly folder: string;
}

/** Loads every compiled file of a folder that the engine runs; one that is not a compiled model stops the start with its name. */
async function loadFolder({ engine, resident, folder }: FolderOptions): Promise<ServedModel[]> {
  const entries = await readdir(folder).catch((cause: unknown) => {
    throw new GuardError('invalid_config', `GPU_WORKER_MODELS: cannot read ${folder}`, { cause });
  });
  const ending = engine.info.id === 'tfjs' ? '.tfjs' : '.onnx';
  const files = entries.filter((entry) => entry.endsWith(ending)).sort();
  if (files.length === 0) {
    throw new GuardError('invalid_config', `GPU_WORKER_MODELS: ${folder} has no ${ending} file`);
  }
  const fileOfName = new Map<string, string>();
  const models: ServedModel[] = [];
  for (const file of files) {
    const reread = () => readFile(join(folder, file));
    const held = {
      info: engine.info,
      load: (bytes: Uint8Array, options?: LoadOptions) => resident.load({ bytes, reread, options }),
    };
    const model = await loadCompiledModel(held, await reread()).catch((thrown: unknown) => {
      const { code, message } = asGuardError(thrown);
      throw new GuardError(code, `${file}: ${message}`, { cause: thrown });
    });
    const key = JSON.stringify([model.name, model.version]);
    const other = fileOfName.get(key);
    if (other !== undefined) {
      const detail = `${other} and ${file} are both version ${model.version} of ${model.name}`;
      throw new GuardError('invalid_config', detail);
    }
    fileOfName.set(key, file);
    models.push(model);
  }
  return models;
}
