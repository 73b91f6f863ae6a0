// The engines on ONNX Runtime: sessions in worker threads, on the processor, CUDA, WebGPU or as WebAssembly.
import { availableParallelism, cpus } from 'node:os';
import { GuardError } from '../../shared/errors.ts';
import { requireFullPrecision } from '../config.ts';
import { cudaDevice } from './cuda-device.ts';
import type { Engine } from './engine.ts';
import { missingCudaLibrary } from './ort-cuda-library.ts';
import type { OrtThreadData } from './ort-thread.ts';
import { type EngineSize, pooledEngine } from './pooled-engine.ts';

/** Where a model runs. */
export interface OrtEngineOptions extends EngineSize {
  /** The processor where it is not given. */
  readonly provider?: OrtThreadData['provider'] | 'wasm';
  /**
   * How WebGPU lays out images; NCHW where it is not given. With NHWC the runtime (1.30) computes convolutions wrongly whose input
   * has 6, 9 or 18 channels: it is there to be refused by the self-check in tests.
   */
  readonly webgpuLayout?: OrtThreadData['webgpuLayout'];
}

/**
 * Starts the engine. On the processor there is a thread a core, on a graphics card one: its work is done one run after the other
 * anyway.
 * @throws GuardError `invalid_config` where the runtime lacks what CUDA needs, `internal` where a worker thread does not start
 */
export async function createOrtEngine(options: OrtEngineOptions = {}): Promise<Engine> {
  const { provider = 'cpu', webgpuLayout = 'NCHW', ...size } = options;
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor';
  const { workers = provider === 'cpu' || provider === 'wasm' ? availableParallelism() : 1 } = options;
  if (provider === 'wasm') {
    const url = new URL('./ort-wasm-thread.ts', import.meta.url);
    return pooledEngine({
      ...size,
      id: 'ort-wasm',
      device: `${processor}, WebAssembly`,
      workers,
      url,
      onProcessor: true,
    });
  }
  if (provider === 'cuda') {
    const missing = missingCudaLibrary();
    if (missing !== undefined) throw new GuardError('invalid_config', missing);
    // CUDA's shortcut for convolutions keeps ten bits of each number, which is off by as much as the self-check lets pass.
    requireFullPrecision();
  }
  const device = {
    cpu: () => processor,
    cuda: cudaDevice,
    webgpu: () => 'first adapter of Vulkan, which the runtime does not name',
  }[provider]();
  const data: OrtThreadData = { provider, webgpuLayout };
  const url = new URL('./ort-thread.ts', import.meta.url);
  return pooledEngine({
    ...size,
    id: `ort-${provider}`,
    device,
    workers,
    url,
    data,
    onProcessor: provider === 'cpu',
  });
}
