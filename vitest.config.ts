// Two projects: `unit` runs in Node and needs no build, `system` builds the Workers and starts servers and processes.
import { defineConfig } from 'vitest/config';

const system = ['test/edge/**/*.test.ts', 'test/gpu-worker/demo/**/*.test.ts', 'test/readme.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './test/helpers/count-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: system,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'system',
          include: system,
          // One file at a time: each starts servers of its own on a machine that may have two cores.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
