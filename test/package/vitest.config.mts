import { defineConfig } from 'vitest/config';

/** Tests of the built package; they need `npm run package` first. */
export default defineConfig({
  test: { include: ['test/package/**/*.test.ts'], pool: 'forks', maxWorkers: 2, testTimeout: 120_000, hookTimeout: 120_000, passWithNoTests: false, allowOnly: false },
});
