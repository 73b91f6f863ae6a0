// Which of TensorFlow.js' packages are installed: none of them comes with a plain install.
import { createRequire } from 'node:module';

/** The native binding, or one of the two backends that run without one. */
export type TfjsBackend = 'native' | 'wasm' | 'cpu';

const common = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers', '@tensorflow/tfjs-converter'];
const packagesOf: Readonly<Record<TfjsBackend, readonly string[]>> = {
  native: ['@tensorflow/tfjs-node-gpu'],
  wasm: [...common, '@tensorflow/tfjs-backend-wasm'],
  cpu: [...common, '@tensorflow/tfjs-backend-cpu'],
};

/** Packages of a backend that are not installed. */
export function missingPackages(
  backend: TfjsBackend,
  { resolve }: Pick<NodeJS.Require, 'resolve'> = createRequire(import.meta.url),
): string[] {
  return packagesOf[backend].filter((name) => {
    try {
      resolve(`${name}/package.json`);
      return false;
    } catch {
      return true;
    }
  });
}
