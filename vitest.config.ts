import { defineConfig } from 'vitest/config';

// A machine's test run also covers both protection modes and both Node releases: see .ci/run and scripts/test-full.ts.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Guests stop, signal and outgrow the process they run in: every test file gets its own.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
