import { readFile } from 'node:fs/promises';
import type { SandboxCluster } from '../../src/sandbox/cluster.ts';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { startedAt } from './cluster-state.ts';

/** Tells starts of a cluster's servers that a test did itself from those that the agents did, for a file copy. */
export interface ServerStarts {
  /** Starts a server on the test's own account. */
  again(name: string, start: () => Promise<void>): Promise<void>;
  /** The running servers whose `pg_postmaster_start_time()` is another one than when this was asked last, by name. */
  restarted(): Promise<readonly string[]>;
  /** How often agents started servers, by the servers' logs. */
  byAgents(): Promise<number>;
}

export function trackStarts(cluster: () => SandboxCluster): ServerStarts {
  const known = new Map<string, string>();
  const ownStarts = new Map<string, number>();
  const members = () => [...cluster().members.values()];
  return {
    again: async (name, start) => {
      known.delete(name);
      ownStarts.set(name, (ownStarts.get(name) ?? 0) + 1);
      await start();
    },
    restarted: async () => {
      const names: string[] = [];
      for (const { name, server } of members()) {
        if ((await server.postmasterPid()) === undefined) continue;
        const at = await startedAt(server);
        if (known.has(name) && known.get(name) !== at) names.push(name);
        known.set(name, at);
      }
      return names;
    },
    byAgents: async () => {
      let count = 0;
      // the first start is the sandbox's
      for (const { name, server } of members()) count += (await startsOf(server)) - 1 - (ownStarts.get(name) ?? 0);
      return count;
    },
  };
}

async function startsOf(server: PostgresServer): Promise<number> {
  const log = await readFile(server.logFile, 'utf8');
  return log.match(/LOG: {2}starting PostgreSQL \d/g)?.length ?? 0;
}
