import { setTimeout as delay } from 'node:timers/promises';
import { Consumer } from '../../src/demo/consumer.ts';
import { Writer } from '../../src/demo/writer.ts';
import { leaderName } from '../../src/domain/cluster.ts';
import { startCluster, type SandboxCluster } from '../../src/sandbox/cluster.ts';
import type { Sandbox } from '../../src/sandbox/processes.ts';
import { templatesSince } from '../../src/view/method.ts';
import { untilAllRun } from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { costOf, type Cost } from './cost.ts';
import { outagesAtOnce, watchOutages } from './downtime.ts';
import { measureLatency, type Latency } from './latency.ts';
import { measureSlotsUnderLoad } from './slots-under-load.ts';
import { describeSeries, type Series } from './statistics.ts';

const configSamples = 3;
const patienceMs = 60_000;
const standbyNames = ['node2', 'node3'];

export interface AgentSeries extends Latency {
  readonly configToReadyMs: Series;
  readonly slotUnderLoadMs: Series;
  /** Where a slot costs each standby a restart: how long one takes no connections, and how often two were down at once. */
  readonly downtime: { readonly eachMs: Series; readonly atOnce: number } | null;
  readonly cost: { readonly idle: Cost; readonly load: Cost } | null;
}

export interface AgentBench {
  readonly major: number;
  readonly settings: Readonly<Record<string, string>>;
  /** Whether to find out what the agents cost, too, which takes minutes. */
  readonly withCost: 'cost' | 'no cost';
  readonly say: (line: string) => void;
}

/** A primary and two standbys that stream from it, each with its agent. */
export async function measureAgents(sandbox: Sandbox, bench: AgentBench): Promise<AgentSeries> {
  const { major, settings, say } = bench;
  const cluster = await startCluster(sandbox, {
    scope: `bench${major}`,
    major,
    settings,
    members: [
      { name: 'node1', upstream: null },
      { name: 'node2', upstream: 'node1' },
      { name: 'node3', upstream: 'node1' },
    ],
  });
  const primary = cluster.member('node1').server;
  const standbys = standbyNames.map((name) => cluster.member(name).server);
  await primary.query('CREATE TABLE orders (id bigint PRIMARY KEY)');
  await primary.query('CREATE PUBLICATION bench FOR TABLE orders');
  for (const { agent } of cluster.members.values()) await agent.start();
  await until('an agent leads', async () => leaderName(await cluster.read()) === 'node1');
  await untilAllRun(cluster);

  say(`PostgreSQL ${major}: from a configuration's write to a usable slot on every standby, ${configSamples} times`);
  const configToReadyMs = await measureConfigured(cluster);

  say(`PostgreSQL ${major}: from a slot made under load to a usable one on every standby`);
  const watch = major < templatesSince ? watchOutages(standbys) : null;
  const slotUnderLoadMs = await measureSlotsUnderLoad({
    primary,
    make: (slot) => primary.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot]),
    isReady: (slot) => isReady(cluster, slot),
  });
  const outages = (await watch?.stop()) ?? [];
  const downtime =
    watch === null
      ? null
      : { eachMs: describeSeries(outages.map(({ fromMs, toMs }) => toMs - fromMs)), atOnce: outagesAtOnce(outages) };

  say(`PostgreSQL ${major}: from a confirmation to the same position on each standby`);
  const latency = await measureLatency('slot1', primary, standbys);
  const cost = bench.withCost === 'cost' ? await measureCost(cluster, say) : null;
  return {
    configToReadyMs: describeSeries(configToReadyMs),
    slotUnderLoadMs: describeSeries(slotUnderLoadMs),
    ...latency,
    downtime,
    cost,
  };
}

async function measureConfigured(cluster: SandboxCluster): Promise<readonly number[]> {
  const slots: Record<string, unknown> = {};
  for (const { server } of cluster.members.values()) slots[server.slotName] = { type: 'physical' };
  // also those that the next series makes on the primary
  const configure = (): Promise<void> =>
    cluster.configure({ slots, failover_slots: { synchronize_slot_names: 'name_like:%' } });
  await configure();
  await until('the physical slots are everywhere', async () => {
    const { members } = await cluster.read();
    return ['node1', 'node3'].every((name) => members.get(name)?.value?.slots.get('node2')?.verdict.kind === 'ready');
  });
  const tookMs: number[] = [];
  for (let sample = 1; sample <= configSamples; sample += 1) {
    const slot = `slot${sample}`;
    slots[slot] = { type: 'logical', database: 'postgres', plugin: 'pgoutput' };
    const startedAtMs = performance.now();
    await configure();
    await until(`${slot} is ready`, () => isReady(cluster, slot));
    tookMs.push(performance.now() - startedAtMs);
  }
  return tookMs;
}

async function measureCost(cluster: SandboxCluster, say: (line: string) => void): Promise<AgentSeries['cost']> {
  say('what it costs, a minute idle and a minute under load');
  await delay(15_000);
  const idle = await costOf(cluster);
  const findPrimary = (): Promise<string> => Promise.resolve(cluster.member('node1').server.connUrl());
  const consumer = new Consumer({ slot: 'slot2', publication: 'bench', findPrimary });
  const writer = new Writer({ findPrimary, table: 'orders', rowsPerSecond: 50, firstRow: 1_000_000 });
  consumer.start();
  writer.start();
  await until('the consumer has rows', () => Promise.resolve(consumer.distinct > 500));
  const load = await costOf(cluster);
  await writer.stop();
  await consumer.stop();
  return { idle, load };
}

async function isReady(cluster: SandboxCluster, slot: string): Promise<boolean> {
  const { members } = await cluster.read();
  return standbyNames.every((name) => members.get(name)?.value?.slots.get(slot)?.verdict.kind === 'ready');
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  await eventually(isTrue, { what, timeoutMs: patienceMs, intervalMs: 20 });
}
