import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Consumer } from '../../src/demo/consumer.ts';
import { longestGapMs, Writer } from '../../src/demo/writer.ts';
import { startCluster, type SandboxCluster, type SandboxMember } from '../../src/sandbox/cluster.ts';
import type { Sandbox } from '../../src/sandbox/processes.ts';
import { childrenOf, signalProcess } from '../../src/sandbox/system.ts';
import { untilReady } from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { primaryByRest, untilStandbysAreSynchronous, untilWhole } from '../support/managed-cluster.ts';
import { describeSeries, type Series } from './statistics.ts';

const ttlSeconds = 30;
const rowsPerSecond = 100;
const patienceMs = 120_000;
const slot = 'orders';
const table = 'orders';

/** Kill to the first write that is accepted, and for a switchover the time without one; in milliseconds. */
export interface FailoverSeries {
  readonly agentAndServerMs: Series;
  readonly serverMs: Series;
  /** Agent, server, lifeline and Consul agent: nobody is left to tell. */
  readonly hostMs: Series;
  readonly switchoverMs: Series;
  /** What a host that is gone takes is bound by this. */
  readonly ttlSeconds: number;
  /** Rows whose COMMIT had returned, and how many of them are in the table, and have reached the consumer, no more. */
  readonly acknowledged: number;
  readonly lost: number;
  readonly missed: number;
  /** The machine's load average over the last minute, at the begin of each sample. */
  readonly load: Series;
}

export interface FailoverBench {
  readonly major: number;
  readonly samples: number;
  readonly say: (line: string) => void;
}

/**
 * Three members that slotkeeper leads in synchronous mode, each with a Consul client agent of its own beside one Consul
 * server; rows are written to whichever member answers 200 at `/primary`, and a consumer reads them through a slot. Each
 * sample begins when the cluster is whole: both standbys stream, one is synchronous, and the slot is ready on both.
 */
export async function measureFailovers(sandbox: Sandbox, bench: FailoverBench): Promise<FailoverSeries> {
  const { major, say } = bench;
  const cluster = await startCluster(sandbox, {
    scope: 'failovers',
    ha: 'manage',
    major,
    consulClients: true,
    members: ['node1', 'node2', 'node3'].map((name) => ({ name, upstream: null })),
    dynamicConfig: {
      ttl: ttlSeconds,
      synchronous_mode: true,
      slots: { [slot]: { type: 'logical', database: 'postgres', plugin: 'pgoutput' } },
    },
  });
  for (const { agent } of cluster.members.values()) await agent.start();
  const { server } = cluster.member(await untilWhole(cluster));
  await server.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`);
  await server.query(`CREATE PUBLICATION bench FOR TABLE ${table}`);
  const findPrimary = (): Promise<string | null> => primaryByRest(cluster);
  const writer = new Writer({ findPrimary, table, rowsPerSecond });
  const consumer = new Consumer({ slot, publication: 'bench', findPrimary });
  writer.start();
  consumer.start();
  const loads: number[] = [];
  const series = async (what: string, sampleOf: (leader: string) => Promise<number>): Promise<Series> => {
    const values: number[] = [];
    for (let sample = 1; sample <= bench.samples; sample += 1) {
      const leader = await untilAtRest(cluster);
      loads.push(loadavg()[0] ?? Number.NaN);
      values.push(await sampleOf(leader));
      say(`PostgreSQL ${major}: ${what}, ${sample} of ${bench.samples}: ${Math.round(values.at(-1) ?? Number.NaN)} ms`);
    }
    return describeSeries(values);
  };
  const killed = (victims: (member: SandboxMember) => Promise<void>) => (name: string) =>
    untilWrittenAfter(cluster.member(name), victims, writer);
  try {
    const agentAndServerMs = await series('agent and server killed', killed(killAgentAndServer));
    const serverMs = await series(
      'server killed',
      killed((member) => member.server.kill()),
    );
    const switchoverMs = await series('switchover', (leader) => switchOver(cluster, leader, writer));
    const hostMs = await series('host gone', killed(killHost));
    const last = await untilAtRest(cluster);
    await writer.stop();
    const lost = await lostRows(cluster.member(last), writer);
    return {
      agentAndServerMs,
      serverMs,
      hostMs,
      switchoverMs,
      ttlSeconds,
      acknowledged: writer.acknowledged.size,
      lost,
      missed: await missedRows(writer, consumer),
      load: describeSeries(loads),
    };
  } finally {
    await Promise.all([writer.stop(), consumer.stop()]);
  }
}

/** Brings back what the sample before has killed; resolves to the leader of a cluster that lacks nothing. */
async function untilAtRest(cluster: SandboxCluster): Promise<string> {
  for (const { consul, agent } of cluster.members.values()) {
    if (consul.pid === undefined) await consul.start();
    if (!agent.process().running) await agent.start();
  }
  const leader = await untilWhole(cluster);
  await untilStandbysAreSynchronous(cluster);
  const standbys = [...cluster.members.keys()].filter((name) => name !== leader);
  await untilReady(cluster, [slot], standbys, leader);
  // at any moment of what goes on every second, renewals for one
  await delay(1_000 + 1_000 * Math.random());
  return leader;
}

async function untilWrittenAfter(
  member: SandboxMember,
  kill: (member: SandboxMember) => Promise<void>,
  writer: Writer,
): Promise<number> {
  const beganAtMs = performance.now();
  await kill(member);
  // what the old server still accepted is among these
  const before = writer.acknowledged.size;
  await eventually(() => writer.acknowledged.size > before, {
    what: 'a write to be accepted',
    timeoutMs: patienceMs,
    intervalMs: 5,
  });
  return ([...writer.acknowledged.values()][before] ?? Number.NaN) - beganAtMs;
}

async function killAgentAndServer({ agent, server }: SandboxMember): Promise<void> {
  await Promise.all([agent.kill(), server.kill()]);
}

/** As when its power fails: at one moment, and with everything that the agent has started. */
async function killHost({ agent, server, consul }: SandboxMember): Promise<void> {
  const postmaster = await server.postmasterPid();
  const children = (await childrenOf(agent.process().pid)).filter((pid) => pid !== postmaster);
  const agents = [consul.kill(), agent.kill()];
  for (const child of children) signalProcess(child, 'SIGKILL');
  await Promise.all([...agents, server.kill()]);
}

async function switchOver(cluster: SandboxCluster, leader: string, writer: Writer): Promise<number> {
  const [candidate] = await untilStandbysAreSynchronous(cluster);
  const askedAtMs = performance.now();
  const answer = await fetch(`${cluster.member(leader).agent.restUrl}/switchover`, {
    method: 'POST',
    body: JSON.stringify({ leader, candidate }),
  });
  const said = await answer.text();
  if (!answer.ok) throw new Error(`the switchover was refused: ${said}`);
  await untilWhole(cluster);
  const now = writer.acknowledged.size;
  await eventually(() => writer.acknowledged.size > now, { what: 'a write', timeoutMs: patienceMs });
  return longestGapMs(writer.acknowledged, askedAtMs);
}

async function lostRows({ server }: SandboxMember, writer: Writer): Promise<number> {
  const rows = await server.query<{ id: string }>(`SELECT id::text FROM ${table}`);
  const kept = new Set(rows.map(({ id }) => Number(id)));
  return [...writer.acknowledged.keys()].filter((row) => !kept.has(row)).length;
}

async function missedRows(writer: Writer, consumer: Consumer): Promise<number> {
  const missing = (): number => {
    const { rows } = consumer;
    return [...writer.acknowledged.keys()].filter((row) => !rows.has(row)).length;
  };
  const deadlineMs = performance.now() + patienceMs;
  while (missing() > 0 && performance.now() < deadlineMs) await delay(100);
  return missing();
}
