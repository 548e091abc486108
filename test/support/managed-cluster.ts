// What is waited for in a cluster that slotkeeper leads (`ha: manage`).

import { leaderName } from '../../src/domain/cluster.ts';
import type { SandboxCluster } from '../../src/sandbox/cluster.ts';
import { patienceMs } from './cluster-state.ts';
import { eventually } from './eventually.ts';

/** Resolves to the leader, once its server accepts writes and all others of `among` (default: all members) stream from it. */
export function untilWhole(cluster: SandboxCluster, among: readonly string[] = []): Promise<string> {
  const names = among.length === 0 ? [...cluster.members.keys()] : among;
  return eventually(
    async () => {
      const leader = leaderName(await cluster.read());
      if (leader === null || !names.includes(leader)) throw new Error(`the leader is ${leader ?? 'nobody'}`);
      const { server } = cluster.member(leader);
      if (await server.isInRecovery()) throw new Error(`${leader} is not promoted yet`);
      const rows = await server.query<{ name: string }>(
        `select application_name as name from pg_stat_replication where state = 'streaming'`,
      );
      const streaming = rows.map((row) => row.name);
      const missing = names.filter((name) => name !== leader && !streaming.includes(name));
      if (missing.length > 0) throw new Error(`${missing.join(', ')} does not stream from ${leader}`);
      return leader;
    },
    { what: `one of ${names.join(', ')} to lead the others`, timeoutMs: 2 * patienceMs },
  );
}

/** Resolves to the names of those who have all that the leader has acknowledged; only they are handed over to. */
export function untilStandbysAreSynchronous(cluster: SandboxCluster): Promise<readonly string[]> {
  return eventually(
    async () => {
      const { sync, leader } = await cluster.read();
      const { standbys = [] } = sync?.value?.leader === leader?.value ? (sync?.value ?? {}) : {};
      return standbys.length > 0 ? standbys : null;
    },
    { what: 'a synchronous standby', timeoutMs: patienceMs },
  );
}

/** Connection URL of the member whose agent answers 200 at `/primary`, as a load balancer finds it; null = none does. */
export async function primaryByRest(cluster: SandboxCluster): Promise<string | null> {
  const asked = [...cluster.members.values()].map(async ({ agent, server }) => {
    const answer = await fetch(`${agent.restUrl}/primary`, { signal: AbortSignal.timeout(1_000) });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`${server.name} is not the primary`);
    return server.connUrl();
  });
  return Promise.any(asked).catch(() => null);
}
