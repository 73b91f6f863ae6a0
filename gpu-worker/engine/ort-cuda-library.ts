// Whether the installed ONNX Runtime has its CUDA provider: a library of its own, which a plain install leaves out.
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const providerLibraries = {
  linux: 'libonnxruntime_providers_cuda.so',
  win32: 'onnxruntime_providers_cuda.dll',
};

/**
 * Looks for the library beside the runtime's binding. That it is there does not mean that CUDA works, but asking the runtime for a
 * provider without it prints errors.
 * @returns what is missing; undefined where it is there
 */
export function missingCudaLibrary(): string | undefined {
  const { platform, arch } = process;
  const library = platform === 'linux' || platform === 'win32' ? providerLibraries[platform] : undefined;
  if (library === undefined) return `ONNX Runtime has no CUDA provider for ${platform}`;
  const runtime = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const builds = readdirSync(join(runtime, 'bin'));
  if (builds.some((build) => existsSync(join(runtime, 'bin', build, platform, arch, library))))
    return undefined;
  return `onnxruntime-node lacks ${library}: install it with ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`;
}
