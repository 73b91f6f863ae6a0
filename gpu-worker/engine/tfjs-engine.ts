// The engine on TensorFlow.js: the native binding where it is installed, else WebAssembly.
import { availableParallelism } from 'node:os';
import { GuardError } from '../../shared/errors.ts';
import type { Engine } from './engine.ts';
import { type EngineSize, pooledEngine } from './pooled-engine.ts';
import { missingPackages, type TfjsBackend } from './tfjs-packages.ts';
import type { TfjsThreadData } from './tfjs-thread.ts';

/** Where a model runs. */
export interface TfjsEngineOptions extends EngineSize {
  readonly backend: TfjsBackend;
}

/**
 * The backend that is used.
 * @param missing packages of a backend that are not installed
 * @throws GuardError `invalid_config` with what to install where there is none
 */
export function installedBackend(missing = missingPackages): Exclude<TfjsBackend, 'cpu'> {
  if (missing('native').length === 0) return 'native';
  const lacks = missing('wasm');
  if (lacks.length === 0) return 'wasm';
  const detail = `TensorFlow.js is not installed: on an NVIDIA card install ${missing('native').join(' ')}, elsewhere ${lacks.join(' ')}`;
  throw new GuardError('invalid_config', detail);
}

/**
 * Starts the engine, which loads archives of TensorFlow.js models.
 * @throws GuardError `invalid_config` where packages are not installed; `internal` with the reason where they do not start
 */
export async function createTfjsEngine({ backend, workers, ...size }: TfjsEngineOptions): Promise<Engine> {
  const lacks = missingPackages(backend);
  if (lacks.length > 0) {
    throw new GuardError('invalid_config', `packages of TensorFlow.js are not installed: ${lacks.join(' ')}`);
  }
  return pooledEngine({
    ...size,
    id: 'tfjs',
    // The threads tell what they really run on.
    device: 'TensorFlow.js',
    workers: workers ?? (backend === 'native' ? 1 : availableParallelism()),
    url: new URL('./tfjs-thread.ts', import.meta.url),
    data: { backend } satisfies TfjsThreadData,
    // The binding may run on a graphics card; whether it does, its threads know alone.
    onProcessor: backend !== 'native',
  });
}
