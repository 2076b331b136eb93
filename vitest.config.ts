import { defineConfig } from 'vitest/config';

// No 'import' here: it would reach require() in the workers too and hand CommonJS packages ES modules.
const conditions = ['source', 'node'];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } };

/**
 * unit: pure, next to the source. integration: real PostgreSQL, Redis, Docker. e2e: whole processes from outside.
 * chaos: whole processes that are killed, frozen and cut off, step by step; runs when it is named.
 * `tools/test.mjs` provides the real parts and names them in the environment.
 */
export default defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['apps/**/*.spec.ts', 'libs/**/*.spec.ts', 'tools/**/*.spec.ts'],
          exclude: ['**/*.int.spec.ts', '**/node_modules/**'],
        },
      },
      {
        ...shared,
        test: {
          name: 'integration',
          include: ['apps/**/*.int.spec.ts', 'libs/**/*.int.spec.ts', 'tools/**/*.int.spec.ts'],
          expect: { poll: { timeout: 10_000 } },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Most of them wait for engines, processes and databases: more of them than cores.
          maxWorkers: 4,
        },
      },
      {
        ...shared,
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e-spec.ts'],
          // Whole processes on a busy machine: what is polled for may take its time, how long is no assertion.
          expect: { poll: { timeout: 10_000 } },
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        ...shared,
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.chaos-spec.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
