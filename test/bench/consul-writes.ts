import type { SandboxCluster } from '../../src/sandbox/cluster.ts';

/** Counts of what was written to Consul, as Consul and as the agents count it. */
export interface WriteCount {
  /** Every entry of the Raft log, Consul's own (coordinates, checks) included. */
  readonly raftEntries: number;
  /** Writes to keys that the agents have done. */
  readonly keyWrites: number;
}

const writing = new Set([
  'publish_member',
  'acquire_leader',
  'release_leader',
  'publish_status',
  'publish_history',
  'publish_slot_history',
  'publish_initialize',
  'take_turn',
  'give_turn',
]);

export async function countWrites(cluster: SandboxCluster): Promise<WriteCount> {
  const self = JSON.parse(await cluster.consul.request('GET', '/v1/agent/self')) as {
    readonly Stats: { readonly raft: { readonly applied_index: string } };
  };
  let keyWrites = 0;
  for (const { agent } of cluster.members.values()) {
    const page = await (await fetch(`${agent.restUrl}/metrics`)).text();
    for (const line of page.split('\n')) {
      const [, labels, value] = /^slotkeeper_action_total\{(.*)\} (\d+)$/.exec(line) ?? [];
      const kind = /(?:^|,)kind="([^"]*)"/.exec(labels ?? '')?.[1];
      const outcome = /(?:^|,)outcome="([^"]*)"/.exec(labels ?? '')?.[1];
      if (kind !== undefined && writing.has(kind) && outcome === 'done') keyWrites += Number(value);
    }
  }
  return { raftEntries: Number(self.Stats.raft.applied_index), keyWrites };
}
