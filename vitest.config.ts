import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.contract.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    globalSetup: './test/store/ready-cluster.ts',
    pool: 'forks',
    // Most journeys wait more than they work.
    maxWorkers: 3,
  },
});
