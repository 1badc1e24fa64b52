import { defineConfig } from 'vitest/config';

/** Unit and golden tests. Package and end-to-end tests have their own stages, see test/run.mjs. */
export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts', 'test/golden/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // A native crash of one file must not look like success.
    dangerouslyIgnoreUnhandledErrors: false,
    passWithNoTests: false,
    allowOnly: false,
    restoreMocks: true,
  },
});
