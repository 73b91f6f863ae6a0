// Two projects: `unit` runs in Node and needs no build, `system` builds the Workers and starts servers and processes.
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const system = [
  'test/edge/**/*.test.ts',
  'test/gpu-worker/demo/**/*.test.ts',
  'test/readme.test.ts',
  'test/docs/tutorial.test.ts',
];

/** What both have in common. */
const common = {
  // Two files at a time, whichever project they are of: one alone leaves a core of two idle while it waits for its servers.
  // More would start more servers at once than a small machine holds.
  maxWorkers: 2,
  restoreMocks: true,
  // A limit for what hangs, not for what is slow: the machine may be busy with other things.
  testTimeout: 180_000,
  hookTimeout: 180_000,
  // Every command and server that a test starts compiles the same sources.
  env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'dist/compile-cache') },
};

export default defineConfig({
  test: {
    reporters: ['default', './test/helpers/count-reporter.ts'],
    projects: [
      {
        // Servers of one file must not meet what those of another have left in the process.
        test: { ...common, name: 'system', include: system, globalSetup: './test/helpers/built-edge.ts' },
      },
      {
        // A process runs file after file: importing the engine and the schemas anew costs more than most files' tests.
        test: { ...common, name: 'unit', include: ['test/**/*.test.ts'], exclude: system, isolate: false },
      },
    ],
  },
});
