import { defineConfig } from 'vitest/config';

/** End-to-end tests, one file after the other: each starts a server, a browser and an engine (about 1.5 GB). */
export default defineConfig({
  test: { include: ['test/e2e/**/*.e2e.ts'], pool: 'forks', maxWorkers: 1, fileParallelism: false, testTimeout: 240_000, hookTimeout: 360_000, passWithNoTests: false, allowOnly: false },
});
