// The one place where an engine is chosen: by name, or the fastest that works here.
import { asGuardError, GuardError } from '../../shared/errors.ts';
import { checkedEngine } from './checked-engine.ts';
import type { Engine } from './engine.ts';
import type { EngineName, OnnxEngineName } from './engine-name.ts';
import { createOrtEngine } from './ort-engine.ts';
import type { EngineSize } from './pooled-engine.ts';
import { probeEngine } from './probe-engine.ts';
import { createTfjsEngine, installedBackend } from './tfjs-engine.ts';
import { missingPackages } from './tfjs-packages.ts';

/** Which engine, and how it is sized. */
export interface EngineOptions extends EngineSize {
  readonly engine: EngineName;
  /** Told why `auto` passed over a faster engine. */
  readonly onPassedOver?: (engine: EngineName, reason: GuardError) => void;
}

/**
 * Starts an engine after a probe; every model that it loads is checked against the processor. `auto` is CUDA where that works,
 * else the processor, and a model that CUDA refuses or computes otherwise runs on the processor. An engine that is named is
 * never replaced by another.
 * @throws GuardError `invalid_config` with the reason where the engine that is named does not work here
 */
export async function createEngine({ engine, onPassedOver, ...size }: EngineOptions): Promise<Engine> {
  if (engine === 'cpu') return createOrtEngine(size);
  if (engine === 'tfjs') return checkedTfjs(size).catch(refusedAs(engine));
  if (engine !== 'auto') return probedEngine(engine, size).catch(refusedAs(engine));
  try {
    return await probedEngine('cuda', size, () => createOrtEngine(size));
  } catch (thrown) {
    onPassedOver?.('cuda', asGuardError(thrown));
    return createOrtEngine(size);
  }
}

async function probedEngine(
  provider: Exclude<OnnxEngineName, 'auto' | 'cpu'>,
  size: EngineSize,
  startFallback?: () => Promise<Engine>,
): Promise<Engine> {
  const engine = await createOrtEngine({ ...size, provider });
  // To compare with, one thread is enough.
  const reference = await createOrtEngine({ ...size, workers: 1 });
  try {
    await probeEngine(engine, reference);
  } catch (cause) {
    await Promise.all([engine.close(), reference.close()]);
    throw cause;
  }
  return checkedEngine(engine, { reference, ...(startFallback && { startFallback }) });
}

/**
 * TensorFlow.js beside another of its backends, since ONNX Runtime does not read its models: WebAssembly, or plain JavaScript where that
 * is what is checked.
 */
async function checkedTfjs(size: EngineSize): Promise<Engine> {
  const backend = installedBackend();
  const portable = backend === 'native' && missingPackages('wasm').length === 0 ? 'wasm' : 'cpu';
  const reference = await createTfjsEngine({ ...size, backend: portable, workers: 1 });
  try {
    // Plain JavaScript takes seconds for what takes the others milliseconds.
    return checkedEngine(await createTfjsEngine({ ...size, backend }), { reference, batches: [1, 2] });
  } catch (cause) {
    await reference.close();
    throw cause;
  }
}

function refusedAs(engine: EngineName): (thrown: unknown) => never {
  return (thrown) => {
    const { message } = asGuardError(thrown);
    throw new GuardError('invalid_config', `engine ${engine} does not work here: ${message}`, {
      cause: thrown,
    });
  };
}
