import { Consumer } from '../../../src/demo/consumer.ts';
import { Writer } from '../../../src/demo/writer.ts';
import { describeCluster } from '../../../src/demo/picture.ts';
import { leaderName } from '../../../src/domain/cluster.ts';
import { startCluster, type SandboxCluster } from '../../../src/sandbox/cluster.ts';
import type { ConsulConfig } from '../../../src/sandbox/consul-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { twoStandbys } from '../cluster.ts';
import { eventually } from '../eventually.ts';
import { Proxy } from '../proxy.ts';

/** Generous: what is measured is told in the report, and what never comes is a failure. */
export const recoveryMs = 180_000;

/** A client that hears nothing for so long gives its connection up, as with `tcp_user_timeout`. */
const clientPatienceMs = 5_000;

const table = 'orders';

export interface SceneOptions {
  readonly consulConfig?: ConsulConfig;
  /** Over the cluster's configuration, which is synchronous and has a logical slot. */
  readonly dynamicConfig?: Readonly<Record<string, unknown>>;
  /** `small`: gamma's data is on a disk of its own that can be filled. */
  readonly agentConfig?: Readonly<Record<string, unknown>>;
}

/** Three members that make a cluster from empty folders, each reaching Consul over a network of its own that can fail. */
export interface Scene {
  readonly cluster: SandboxCluster;
  readonly names: readonly string[];
  network(member: string): Proxy;
  /** Starts every agent, and then the clients, once somebody accepts their writes. */
  begin(): Promise<void>;
  /** Starts the clients on a cluster whose agents run. */
  beginTraffic(): Promise<void>;
  readonly writer: Writer;
  readonly consumer: Consumer;
  /** The leader, once its server accepts writes, all (or those that are named) others stream from it and have its slot. */
  untilWhole(...among: readonly string[]): Promise<string>;
  untilSynchronous(): Promise<void>;
  untilMoreRows(count: number): Promise<void>;
  /** Every acknowledged row is on the primary, and every row that is there has reached the consumer. */
  untilNothingIsMissing(): Promise<void>;
  /** What everybody logged, for whoever has to find out why it failed. */
  describe(): Promise<string>;
  close(): Promise<void>;
}

export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const sandbox = await Sandbox.open();
  const networks = new Map<string, Proxy>();
  const cluster = await startCluster(sandbox, {
    scope: 'test',
    ha: 'manage',
    members: twoStandbys,
    consulConfig: options.consulConfig ?? {},
    ...(options.agentConfig === undefined ? {} : { agentConfig: options.agentConfig }),
    consulFor: async (member, consul) => {
      const proxy = await Proxy.to(consul);
      networks.set(member, proxy);
      return proxy.address;
    },
    dynamicConfig: {
      synchronous_mode: true,
      slots: { [table]: { type: 'logical', database: 'postgres', plugin: 'pgoutput' } },
      ...options.dynamicConfig,
    },
  });
  const names = [...cluster.members.keys()];
  const serverOf = (name: string) => cluster.member(name).server;
  const findPrimary = (): Promise<string | null> => primaryByRest(cluster);
  const clients = { findPrimary, patienceMs: clientPatienceMs };
  const writer = new Writer({ ...clients, table, rowsPerSecond: 50 });
  const consumer = new Consumer({ ...clients, slot: table, publication: table });

  const until = (among: readonly string[], isWhole: typeof leaderOf): Promise<string> =>
    eventually(() => isWhole(cluster, among), {
      what: `one of ${among.join(', ')} to lead the others`,
      timeoutMs: recoveryMs,
      intervalMs: 100,
    });

  const beginTraffic = async (): Promise<void> => {
    const leader = await until(names, leaderOf);
    await serverOf(leader).query(
      `create table ${table} (id bigint primary key, at timestamptz default clock_timestamp())`,
    );
    await serverOf(leader).query(`create publication ${table} for table ${table}`);
    writer.start();
    consumer.start();
    await untilMoreRows(50);
  };
  const untilMoreRows = async (count: number): Promise<void> => {
    const wanted = writer.acknowledged.size + count;
    await eventually(() => writer.acknowledged.size >= wanted, { what: `${count} more rows`, timeoutMs: recoveryMs });
  };

  return {
    cluster,
    names,
    network: (member) => networks.get(member)!,
    begin: async () => {
      for (const { agent } of cluster.members.values()) await agent.start();
      await beginTraffic();
    },
    beginTraffic,
    writer,
    consumer,
    untilWhole: (...among) => until(among.length === 0 ? names : among, wholeUnder),
    untilSynchronous: async () => {
      await eventually(async () => ((await cluster.read()).sync?.value?.standbys.length ?? 0) > 0, {
        what: 'a synchronous standby',
        timeoutMs: recoveryMs,
      });
    },
    untilMoreRows,
    untilNothingIsMissing: () => untilNothingIsMissing(cluster, writer, consumer),
    describe: () => describeScene(cluster),
    close: async () => {
      await Promise.all([writer.stop(), consumer.stop()]);
      await sandbox.close();
      for (const proxy of networks.values()) await proxy.close();
    },
  };
}

/** As a load balancer finds it: the member that answers 200 on `/primary`; null = none does. */
async function primaryByRest(cluster: SandboxCluster): Promise<string | null> {
  const answers = await Promise.all(
    [...cluster.members.values()].map(async ({ agent, server }) => {
      const answer = await fetch(`${agent.restUrl}/primary`, { signal: AbortSignal.timeout(1_000) }).catch(() => null);
      await answer?.body?.cancel();
      return answer?.status === 200 ? server.connUrl() : null;
    }),
  );
  return answers.find((url) => url !== null) ?? null;
}

/** Fails until one of them leads all the others. */
async function leaderOf(cluster: SandboxCluster, among: readonly string[]): Promise<string> {
  const keys = await cluster.read();
  const leader = leaderName(keys);
  if (leader === null || !among.includes(leader)) throw new Error(`the leader is ${leader ?? 'nobody'}`);
  const { server } = cluster.member(leader);
  const rows = await server.query<{ name: string; standby: boolean }>(
    `select application_name as name, pg_is_in_recovery() as standby from pg_stat_replication where state = 'streaming'`,
  );
  if (rows.some(({ standby }) => standby)) throw new Error(`${leader} is not promoted yet`);
  const streaming = rows.map(({ name }) => name);
  const silent = among.filter((name) => name !== leader && !streaming.includes(name));
  if (silent.length > 0) throw new Error(`${silent.join(', ')} does not stream from ${leader}`);
  return leader;
}

/** Fails until one of them leads all the others, and the slot is ready on each. */
async function wholeUnder(cluster: SandboxCluster, among: readonly string[]): Promise<string> {
  const leader = await leaderOf(cluster, among);
  const keys = await cluster.read();
  for (const name of among.filter((one) => one !== leader)) {
    const verdict = keys.members.get(name)?.value?.slots.get(table)?.verdict;
    if (verdict?.kind !== 'ready') throw new Error(`the slot on ${name}: ${JSON.stringify(verdict ?? null)}`);
  }
  return leader;
}

async function untilNothingIsMissing(cluster: SandboxCluster, writer: Writer, consumer: Consumer): Promise<void> {
  const acknowledged = [...writer.acknowledged.keys()];
  await eventually(
    async () => {
      const leader = leaderName(await cluster.read());
      if (leader === null) throw new Error('nobody leads');
      const rows = await cluster.member(leader).server.query<{ id: string }>(`select id from ${table}`);
      const kept = new Set(rows.map(({ id }) => Number(id)));
      const lost = acknowledged.filter((row) => !kept.has(row));
      if (lost.length > 0) throw new Error(`${lost.length} acknowledged rows are lost: ${some(lost)}`);
      const received = consumer.rows;
      const missed = [...kept].filter((row) => !received.has(row));
      if (missed.length > 0 && Math.min(...missed) <= Math.max(...acknowledged))
        throw new Error(`the consumer misses ${missed.length} rows: ${some(missed)} (${consumer.lastTrouble ?? ''})`);
      return true;
    },
    { what: 'every row to be kept and received', timeoutMs: recoveryMs, intervalMs: 200 },
  );
}

function some(rows: readonly number[]): string {
  return `${rows.slice(0, 10).join(', ')}${rows.length > 10 ? ', …' : ''}`;
}

async function describeScene(cluster: SandboxCluster): Promise<string> {
  const keys = await cluster.read().catch(() => null);
  const parts = [keys === null ? 'Consul does not answer' : describeCluster(keys).join('\n')];
  for (const { name, agent, server } of cluster.members.values()) {
    const log = await agent.log();
    parts.push(`--- agent of ${name}\n${log.split('\n').slice(-60).join('\n')}`);
    parts.push(`--- server of ${name}\n${await server.logTail(20)}`);
  }
  return parts.join('\n');
}
