import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// A machine's test run also covers both protection modes and both Node releases: see .ci/run and scripts/test-matrix.mjs.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Guests stop, signal and outgrow the process they run in: every test file gets its own.
    pool: 'forks',
    // Vitest would keep a processor to itself: on two, the suite takes 4 min 46 s with both and 7 min 50 s with one.
    maxWorkers: availableParallelism(),
    testTimeout: 120_000,
    hookTimeout: 300_000,
    // Many tests race a native process beside them on a machine that others use too: CI tries a failed one once more.
    retry: process.env.CI ? 1 : 0,
  },
});
