import { encodeFailover } from '../consul/codec/lead.ts';
import { leaderName } from '../domain/cluster.ts';
import { startCluster, type SandboxCluster } from '../sandbox/cluster.ts';
import type { Sandbox } from '../sandbox/processes.ts';
import type { Consumer } from './consumer.ts';
import type { DemoOptions } from './demo.ts';
import type { Screen } from './screen.ts';
import {
  isReady,
  keep,
  publication,
  scope,
  settled,
  slot,
  startFlow,
  startTable,
  table,
  until,
  untilWritten,
} from './steps.ts';
import { summaryLines, type Summary } from './summary.ts';
import { longestGapMs } from './writer.ts';

const names = ['node1', 'node2', 'node3'] as const;

/**
 * `ha: manage`, from empty folders: three agents make the cluster; the leader is killed with its server in mid-stream, and
 * the rest happens by itself; the old primary comes back as a standby, with its slots; then an operator switches over.
 */
export async function playManaged(sandbox: Sandbox, options: DemoOptions, screen: Screen): Promise<Summary> {
  const cluster = await startCluster(sandbox, {
    scope,
    ha: 'manage',
    ...(options.major === undefined ? {} : { major: options.major }),
    members: names.map((name) => ({ name, upstream: null })),
    // What is acknowledged is on a second server: that is replication's part, not the slots'.
    dynamicConfig: { synchronous_mode: true },
  });
  screen.say('starting three agents in empty folders: they make the cluster');
  for (const { agent } of cluster.members.values()) await agent.start();
  const live = startTable(cluster, screen);
  try {
    const first = await untilWhole(cluster);
    screen.say(`${first} leads, the others stream from it`);
    const { server } = cluster.member(first);
    await server.query(
      `CREATE TABLE ${table} (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())`,
    );
    await server.query(`CREATE PUBLICATION ${publication} FOR TABLE ${table}`);
    const standbys = names.filter((name) => name !== first);
    const { rowsPerSecond } = options;
    const flow = { standbys, rowsPerSecond, declare: () => declareSlot(cluster) };
    const { consumer, writer, slotReadyMs, restarted } = await startFlow(cluster, flow, screen);

    screen.say(`killing ${first}, agent and server, with SIGKILL`);
    await Promise.all([cluster.member(first).agent.kill(), server.kill()]);
    const killedAtMs = performance.now();
    const second = await untilLed(cluster, standbys);
    const wroteAtMs = await untilWritten(writer, killedAtMs);
    const failoverMs = wroteAtMs - killedAtMs;
    screen.say(`${second} accepts writes ${Math.round(failoverMs)} ms after the kill`);
    await until(`the consumer streams from ${second}`, () => streamsFrom(consumer, cluster.member(second).server.port));
    const consumerMs = (consumer.streaming?.atMs ?? performance.now()) - killedAtMs;
    screen.say(`the consumer goes on from its slot there after ${Math.round(consumerMs)} ms`);

    screen.say(`starting the agent of ${first} again`);
    await cluster.member(first).agent.start();
    await untilWhole(cluster);
    await until(`the slot is ready on ${first}`, async () => isReady(await cluster.read(), [first]));
    screen.say(`${first} is a standby of ${second}, with the slot`);

    const third = await synchronousStandby(cluster);
    screen.say(`switching over to ${third}`);
    const askedAtMs = performance.now();
    await switchOver(cluster, second, third);
    await untilLed(cluster, [third]);
    await untilWritten(writer, performance.now());
    const switchoverMs = longestGapMs(writer.acknowledged, askedAtMs);
    screen.say(`no write was accepted for ${Math.round(switchoverMs)} ms`);
    const before = writer.acknowledged.size;
    await until('500 more rows are written', () => Promise.resolve(writer.acknowledged.size >= before + 500));
    await writer.stop();
    const lostRows = await settled(writer, consumer);
    const summary: Summary = {
      ok: lostRows.length === 0,
      ha: 'manage',
      lost: lostRows.length,
      duplicated: consumer.duplicated,
      rows: writer.acknowledged.size,
      received: consumer.distinct,
      slotReadyMs: Math.round(slotReadyMs),
      failoverMs: Math.round(failoverMs),
      consumerMs: Math.round(consumerMs),
      switchoverMs: Math.round(switchoverMs),
      postgres: server.major,
      standbysRestarted: restarted,
      lostRows: lostRows.slice(0, 100),
    };
    if (options.keep) {
      for (const line of summaryLines(summary)) screen.say(line);
      await keep(cluster, first, screen);
    }
    await consumer.stop();
    return summary;
  } finally {
    await live.stop();
  }
}

/** The leader, once it accepts writes. */
async function untilLed(cluster: SandboxCluster, among: readonly string[]): Promise<string> {
  let found = '';
  await until(`one of ${among.join(', ')} leads and accepts writes`, async () => {
    const leader = leaderName(await cluster.read());
    if (leader === null || !among.includes(leader)) return false;
    found = leader;
    return !(await cluster.member(leader).server.isInRecovery());
  });
  return found;
}

/** The leader, once all the others stream from it. */
async function untilWhole(cluster: SandboxCluster): Promise<string> {
  const leader = await untilLed(cluster, names);
  await until(`the others stream from ${leader}`, async () => {
    const [row] = await cluster
      .member(leader)
      .server.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_replication WHERE state = 'streaming' AND application_name = ANY($1)`,
        [[...names]],
      );
    return row?.count === names.length - 1;
  });
  return leader;
}

async function declareSlot(cluster: SandboxCluster): Promise<void> {
  const { configText } = await cluster.read();
  const config = JSON.parse(configText ?? '{}') as Record<string, unknown>;
  await cluster.configure({
    ...config,
    slots: { [slot]: { type: 'logical', database: 'postgres', plugin: 'pgoutput' } },
  });
}

/** Who has every acknowledged row, and so may take over. */
async function synchronousStandby(cluster: SandboxCluster): Promise<string> {
  let found: string | undefined;
  await until('a standby is synchronous', async () => {
    const { sync, leader } = await cluster.read();
    found = sync?.value?.leader === leader?.value ? sync?.value?.standbys[0] : undefined;
    return found !== undefined;
  });
  return found ?? '';
}

/** As `slotkeeper switchover` does. */
async function switchOver(cluster: SandboxCluster, leader: string, candidate: string): Promise<void> {
  const value = encodeFailover({ leader, candidate, scheduledAt: null, force: false });
  await cluster.client.transact([{ verb: 'set', key: cluster.keys.failover, value }], AbortSignal.timeout(5_000));
}

function streamsFrom(consumer: Consumer, port: number): Promise<boolean> {
  return Promise.resolve(consumer.streaming?.url.includes(`:${port}`) === true);
}
