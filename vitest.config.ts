import { availableParallelism } from 'node:os';
import process from 'node:process';
import { defineConfig } from 'vitest/config';

const cores = availableParallelism();
/** Tests that take minutes run with `npm run test:versions`, or where the environment asks for them. */
const withLongOnes = (process.env['SLOTKEEPER_TEST_LONG'] ?? '') !== '';
/** Faults of every kind in every phase take hours: `npm run test:faults`. */
const withFaults = (process.env['SLOTKEEPER_TEST_FAULTS'] ?? '') !== '';
/** A dozen processes and leases of seconds: with another cluster beside it on two cores, what is late is the machine. */
const clusterWorkers = Math.max(1, Math.min(4, Math.floor(cores / 2)));

const faultsProject = {
  extends: true as const,
  test: {
    name: 'faults',
    include: ['test/cluster/faults/*.test.ts'],
    globalSetup: ['test/support/built.ts'],
    testTimeout: 600_000,
    hookTimeout: 300_000,
    maxWorkers: clusterWorkers,
    sequence: { groupOrder: 3 },
  },
};

export default defineConfig({
  test: {
    // processes, not threads: a test that is stopped takes its servers along, and pids differ between workers
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 10_000,
          maxWorkers: cores,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'sim',
          include: ['test/sim/**/*.test.ts'],
          testTimeout: 120_000,
          maxWorkers: cores,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // each starts servers of its own
          maxWorkers: Math.max(1, Math.min(4, cores)),
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'cluster',
          include: ['test/cluster/*.test.ts', ...(withLongOnes ? ['test/cluster/long/*.test.ts'] : [])],
          globalSetup: ['test/support/built.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: clusterWorkers,
          sequence: { groupOrder: 2 },
        },
      },
      ...(withFaults ? [faultsProject] : []),
    ],
  },
});
