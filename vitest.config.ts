// Two projects: `unit` runs in Node and needs no build, `system` starts servers and processes.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['default', './test/helpers/count-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/shared/**/*.test.ts', 'test/gpu-worker/**/*.test.ts', 'test/architecture.test.ts'],
        },
      },
    ],
  },
});
