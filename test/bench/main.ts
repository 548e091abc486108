// npm run bench [-- --json]: how quickly slots follow, and what the agents cost. One run, one cluster: a primary and
// two standbys that stream from it, each with its agent, one Consul server, all on this machine.

import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { leaderName } from '../../src/domain/cluster.ts';
import { parseLsn, type Lsn } from '../../src/domain/lsn.ts';
import { Consumer } from '../../src/demo/consumer.ts';
import { Writer } from '../../src/demo/writer.ts';
import { startCluster, type SandboxCluster } from '../../src/sandbox/cluster.ts';
import { Sandbox } from '../../src/sandbox/processes.ts';
import { eventually } from '../support/eventually.ts';
import { countWrites } from './consul-writes.ts';
import { usageOf } from './process-usage.ts';
import { describeSeries, round, type Series } from './statistics.ts';

const standbys = ['node2', 'node3'];
const patienceMs = 60_000;
const movingSamples = 60;
const quietSamples = 10;
const configSamples = 3;
const costForMs = 60_000;

interface Cost {
  readonly keyWritesPerMinute: number;
  readonly raftEntriesPerMinute: number;
  /** Per agent, the largest of the three. */
  readonly cpuSecondsPerMinute: number;
  readonly rssMiB: number;
  readonly pssMiB: number;
}

interface Report {
  readonly postgres: number;
  readonly syncMovingMs: Series;
  readonly syncFromQuietMs: Series;
  readonly configToReadyMs: Series;
  readonly idle: Cost;
  readonly load: Cost;
}

const say = (line: string): void => console.error(line);
const sandbox = await Sandbox.open({ progress: say });
try {
  const report = await measure(sandbox);
  await writeFile('bench-report.json', `${JSON.stringify(report, null, 2)}\n`);
  for (const line of process.argv.includes('--json') ? [JSON.stringify(report)] : table(report)) console.log(line);
} finally {
  await sandbox.close();
}

async function measure(box: Sandbox): Promise<Report> {
  const cluster = await startCluster(box, {
    scope: 'bench',
    // PostgreSQL's own default, which the sandbox shortens.
    settings: { wal_retrieve_retry_interval: '5s' },
    members: [
      { name: 'node1', upstream: null },
      { name: 'node2', upstream: 'node1' },
      { name: 'node3', upstream: 'node1' },
    ],
  });
  const primary = cluster.member('node1').server;
  await primary.query('CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())');
  await primary.query('CREATE PUBLICATION bench FOR TABLE orders');
  for (const { agent } of cluster.members.values()) await agent.start();
  await until('an agent leads', async () => leaderName(await cluster.read()) === 'node1');

  say(`time from a configuration's write to a usable slot on every standby, ${configSamples} times`);
  const slots: Record<string, unknown> = {};
  for (const { server } of cluster.members.values()) slots[server.slotName] = { type: 'physical' };
  await cluster.configure({ slots });
  await until(
    'the physical slots are everywhere',
    async () => await isReady(cluster, ['node1', 'node2', 'node3'], 'node2'),
  );
  const configToReadyMs: number[] = [];
  for (let i = 1; i <= configSamples; i += 1) {
    const name = `slot${i}`;
    slots[name] = { type: 'logical', database: 'postgres', plugin: 'pgoutput' };
    const startedAtMs = performance.now();
    await cluster.configure({ slots });
    await until(`${name} is ready`, () => isReady(cluster, standbys, name));
    configToReadyMs.push(performance.now() - startedAtMs);
  }

  say(`from a confirmation to the same position on each standby, ${movingSamples} times while the consumer moves`);
  const syncMovingMs: number[] = [];
  await withClients(cluster, async (confirm) => {
    // The first confirmation after a pause belongs to the other series.
    await confirm();
    for (let i = 0; i < movingSamples; i += 1) {
      await delay(1_000 + 200 * Math.random());
      syncMovingMs.push(...(await confirm()));
    }
  });

  say(`the same from quiet, ${quietSamples} times`);
  const syncFromQuietMs: number[] = [];
  await withClients(cluster, async (confirm) => {
    for (let i = 0; i < quietSamples; i += 1) {
      // Longer than the agent keeps its quick pace after the last movement.
      await delay(6_500 + 1_000 * Math.random());
      syncFromQuietMs.push(...(await confirm()));
    }
  });

  say(`what it costs, ${costForMs / 1_000} s idle and ${costForMs / 1_000} s under load`);
  await delay(15_000);
  const idle = await costOf(cluster);
  const findPrimary = (): Promise<string> => Promise.resolve(primary.connUrl());
  const consumer = new Consumer({ slot: 'slot2', publication: 'bench', findPrimary });
  const writer = new Writer({ findPrimary, table: 'orders', rowsPerSecond: 50, firstRow: 1_000_000 });
  consumer.start();
  writer.start();
  await until('the consumer has rows', () => Promise.resolve(consumer.distinct > 500));
  const load = await costOf(cluster);
  await writer.stop();
  await consumer.stop();
  return {
    postgres: primary.major,
    syncMovingMs: describeSeries(syncMovingMs),
    syncFromQuietMs: describeSeries(syncFromQuietMs),
    configToReadyMs: describeSeries(configToReadyMs),
    idle,
    load,
  };
}

/** Confirms one more change from slot1; resolves to how long each standby took to have the same position, in ms. */
type Confirm = () => Promise<readonly number[]>;

async function withClients(cluster: SandboxCluster, work: (confirm: Confirm) => Promise<void>): Promise<void> {
  const clients = ['node1', ...standbys].map((name) => new pg.Client(cluster.member(name).server.connUrl()));
  const [primary, ...others] = clients as [pg.Client, ...pg.Client[]];
  for (const client of clients) await client.connect();
  const positionOn = async (client: pg.Client): Promise<Lsn> => {
    const { rows } = await client.query<{ lsn: string }>(
      "SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = 'slot1'",
    );
    return parseLsn(rows[0]?.lsn ?? '') ?? 0n;
  };
  const confirm: Confirm = async () => {
    await primary.query('INSERT INTO orders (id) SELECT coalesce(max(id), 0) + 1 FROM orders');
    await primary.query(
      "SELECT count(*) FROM pg_logical_slot_get_binary_changes('slot1', NULL, NULL, 'proto_version', '1', 'publication_names', 'bench')",
    );
    const confirmedAtMs = performance.now();
    const wanted = await positionOn(primary);
    return Promise.all(
      others.map(async (client) => {
        while ((await positionOn(client)) < wanted) {
          if (performance.now() - confirmedAtMs > patienceMs) throw new Error('a standby does not follow');
          await delay(2);
        }
        return performance.now() - confirmedAtMs;
      }),
    );
  };
  try {
    await work(confirm);
  } finally {
    for (const client of clients) await client.end();
  }
}

async function costOf(cluster: SandboxCluster): Promise<Cost> {
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

async function isReady(cluster: SandboxCluster, names: readonly string[], slot: string): Promise<boolean> {
  const { members } = await cluster.read();
  return names.every((name) => name === slot || members.get(name)?.value?.slots.get(slot)?.verdict.kind === 'ready');
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  await eventually(isTrue, { what, timeoutMs: patienceMs, intervalMs: 20 });
}

function table(report: Report): readonly string[] {
  const series = (name: string, { samples, min, median, p95, max }: Series): string =>
    `${name.padEnd(44)} ${[min, median, p95, max].map((ms) => String(ms).padStart(8)).join(' ')}   (${samples} samples)`;
  const cost = (name: string, idle: number, load: number): string =>
    `${name.padEnd(44)} ${String(idle).padStart(8)} ${String(load).padStart(8)}`;
  const { idle, load } = report;
  return [
    `PostgreSQL ${report.postgres}, one primary, two standbys, one Consul server`,
    '',
    `${'milliseconds'.padEnd(44)}      min   median      p95      max`,
    series('confirmation to standby, consumer moving', report.syncMovingMs),
    series('confirmation to standby, from quiet', report.syncFromQuietMs),
    series('configuration written to slot ready on both', report.configToReadyMs),
    '',
    `${'cost'.padEnd(44)}     idle     load`,
    cost('writes to keys per minute, all agents', idle.keyWritesPerMinute, load.keyWritesPerMinute),
    cost('Raft entries per minute, with Consul’s own', idle.raftEntriesPerMinute, load.raftEntriesPerMinute),
    cost('CPU seconds per minute, the busiest agent', idle.cpuSecondsPerMinute, load.cpuSecondsPerMinute),
    cost('RSS in MiB, the largest agent', idle.rssMiB, load.rssMiB),
    cost('PSS in MiB, the largest agent', idle.pssMiB, load.pssMiB),
  ];
}
