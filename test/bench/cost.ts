import { setTimeout as delay } from 'node:timers/promises';
import type { SandboxCluster } from '../../src/sandbox/cluster.ts';
import { countWrites } from './consul-writes.ts';
import { usageOf } from './process-usage.ts';
import { round } from './statistics.ts';

const costForMs = 60_000;

/** What the agents cost. */
export interface Cost {
  readonly keyWritesPerMinute: number;
  readonly raftEntriesPerMinute: number;
  /** Per agent, the largest of all. */
  readonly cpuSecondsPerMinute: number;
  readonly rssMiB: number;
  readonly pssMiB: number;
}

/** Measured over a minute in which the caller sees to it that the cluster is idle, or is not. */
export async function costOf(cluster: SandboxCluster): Promise<Cost> {
  const pids = [...cluster.members.values()].map(({ agent }) => agent.process().pid);
  const before = { writes: await countWrites(cluster), usage: pids.map(usageOf), atMs: performance.now() };
  await delay(costForMs);
  const after = { writes: await countWrites(cluster), usage: pids.map(usageOf), atMs: performance.now() };
  const minutes = (after.atMs - before.atMs) / 60_000;
  const cpu = pids.map((_, i) => (after.usage[i]?.cpuSeconds ?? NaN) - (before.usage[i]?.cpuSeconds ?? NaN));
  return {
    keyWritesPerMinute: round((after.writes.keyWrites - before.writes.keyWrites) / minutes),
    raftEntriesPerMinute: round((after.writes.raftEntries - before.writes.raftEntries) / minutes),
    cpuSecondsPerMinute: round(Math.max(...cpu) / minutes, 2),
    rssMiB: round(Math.max(...after.usage.map(({ rssMiB }) => rssMiB))),
    pssMiB: round(Math.max(...after.usage.map(({ pssMiB }) => pssMiB))),
  };
}
