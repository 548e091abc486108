import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { leaderName, type ClusterKeys } from '../domain/cluster.ts';
import { startCluster, type SandboxCluster } from '../sandbox/cluster.ts';
import type { PostgresServer } from '../sandbox/postgres-server.ts';
import { Sandbox } from '../sandbox/processes.ts';
import { Consumer } from './consumer.ts';
import { describeCluster } from './picture.ts';
import { createScreen, type Screen } from './screen.ts';
import { restartsInWords, summaryLines, type Summary } from './summary.ts';
import { Writer } from './writer.ts';

export interface DemoOptions {
  readonly json: boolean;
  /** Leave the cluster running until Ctrl-C, and say how to look at it. */
  readonly keep: boolean;
  /** PostgreSQL's major version; undefined = whichever is found first. */
  readonly major?: number;
  readonly rowsPerSecond: number;
  readonly output: NodeJS.WriteStream;
}

const scope = 'demo';
const slot = 'orders';
const table = 'orders';
const publication = 'demo';
const patienceMs = 60_000;

/**
 * The main job, for all to see: three servers in a row, three agents, a slot declared in Consul, a consumer; the primary
 * is killed in mid-stream, a standby is promoted, and every acknowledged row still arrives.
 */
export async function runDemo(options: DemoOptions): Promise<Summary> {
  const screen = createScreen(options.output);
  const sandbox = await Sandbox.open({ progress: (line) => screen.say(line) });
  try {
    const summary = await play(sandbox, options, screen);
    screen.clear();
    for (const line of summaryLines(summary)) screen.say(line);
    if (options.json) options.output.write(`${JSON.stringify(summary)}\n`);
    return summary;
  } finally {
    screen.clear();
    await sandbox.close();
  }
}

async function play(sandbox: Sandbox, options: DemoOptions, screen: Screen): Promise<Summary> {
  const cluster = await startCluster(sandbox, {
    scope,
    ...(options.major === undefined ? {} : { major: options.major }),
    members: [
      { name: 'node1', upstream: null },
      { name: 'node2', upstream: 'node1' },
      { name: 'node3', upstream: 'node2' },
    ],
  });
  const node1 = cluster.member('node1').server;
  const node2 = cluster.member('node2').server;
  const standbys = [node2, cluster.member('node3').server];
  await node1.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())`);
  await node1.query(`CREATE PUBLICATION ${publication} FOR TABLE ${table}`);
  // What the old primary acknowledged must be on the new one: that is replication's part, not the slots'.
  await node1.alterSystem({ synchronous_standby_names: 'node2' });

  screen.say('starting an agent beside each server');
  for (const { agent } of cluster.members.values()) await agent.start();
  await until('an agent leads and all servers run', async () => {
    const keys = await cluster.read();
    const isRunning = (name: string): boolean => keys.members.get(name)?.value?.state === 'running';
    return leaderName(keys) === 'node1' && [...cluster.members.keys()].every(isRunning);
  });
  const live = startTable(cluster, screen);
  try {
    const started = await startTimes(standbys);
    screen.say(`declaring the logical slot ${slot} in Consul KV, key ${cluster.keys.config}`);
    const declaredAtMs = performance.now();
    await cluster.configure({
      slots: {
        [slot]: { type: 'logical', database: 'postgres', plugin: 'pgoutput' },
        node1: { type: 'physical' },
        node2: { type: 'physical' },
        node3: { type: 'physical' },
      },
    });
    await until(
      'the slot is on the primary',
      async () => (await cluster.read()).status?.value?.slots.has(slot) === true,
    );
    const findPrimary = cluster.primaryUrl;
    const consumer = new Consumer({ slot, publication, findPrimary });
    const writer = new Writer({ findPrimary, table, rowsPerSecond: options.rowsPerSecond });
    consumer.start();
    writer.start();
    await until('the slot is ready on node2 and node3', async () => isReady(await cluster.read(), ['node2', 'node3']));
    const slotReadyMs = performance.now() - declaredAtMs;
    const restarted = await countRestarted(standbys, started);
    screen.say(`the slot is ready on every standby after ${Math.round(slotReadyMs)} ms; ${restartsInWords(restarted)}`);
    await until('500 rows have arrived', () => Promise.resolve(consumer.distinct >= 500));

    screen.say('killing the primary, node1, with SIGKILL');
    const killedAtMs = performance.now();
    await node1.kill();
    screen.say('promoting node2');
    await node2.promote();
    const url = node2.connUrl();
    await until('the consumer streams from node2', () =>
      Promise.resolve(consumer.streaming?.url.includes(`:${node2.port}`) === true),
    );
    const failoverMs = (consumer.streaming?.atMs ?? performance.now()) - killedAtMs;
    screen.say(`the consumer goes on from the slot on node2 (${new URL(url).host}) after ${Math.round(failoverMs)} ms`);
    const before = writer.acknowledged.size;
    await until('500 more rows are written', () => Promise.resolve(writer.acknowledged.size >= before + 500));
    await until('the slot is ready on node3 again', async () => isReady(await cluster.read(), ['node3']));
    const standbysRestarted = await countRestarted(standbys, started);
    await writer.stop();
    const lostRows = await settled(writer, consumer);
    const summary: Summary = {
      ok: lostRows.length === 0,
      lost: lostRows.length,
      duplicated: consumer.duplicated,
      rows: writer.acknowledged.size,
      received: consumer.distinct,
      slotReadyMs: Math.round(slotReadyMs),
      failoverMs: Math.round(failoverMs),
      postgres: node2.major,
      standbysRestarted,
      lostRows: lostRows.slice(0, 100),
    };
    if (options.keep) await keep(cluster, screen, summary);
    await consumer.stop();
    return summary;
  } finally {
    await live.stop();
  }
}

async function startTimes(servers: readonly PostgresServer[]): Promise<readonly string[]> {
  return Promise.all(
    servers.map(async (server) => {
      const [row] = await server.query<{ at: string }>('SELECT pg_postmaster_start_time()::text AS at');
      return row?.at ?? '';
    }),
  );
}

/** How many of the servers are not the same process any more as when `started` was taken. */
async function countRestarted(servers: readonly PostgresServer[], started: readonly string[]): Promise<number> {
  const now = await startTimes(servers);
  return now.filter((at, index) => at !== started[index]).length;
}

/** The acknowledged rows that have not arrived, once all have, or after some patience. */
async function settled(writer: Writer, consumer: Consumer): Promise<readonly number[]> {
  const missing = (): number[] => {
    const arrived = consumer.rows;
    return [...writer.acknowledged.keys()].filter((row) => !arrived.has(row));
  };
  const deadlineMs = performance.now() + 20_000;
  while (missing().length > 0 && performance.now() < deadlineMs) await delay(100);
  return missing();
}

function isReady(keys: ClusterKeys, members: readonly string[]): boolean {
  return members.every((name) => keys.members.get(name)?.value?.slots.get(slot)?.verdict.kind === 'ready');
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await isTrue().catch(() => false))) {
    if (performance.now() > deadlineMs) throw new Error(`gave up waiting after ${patienceMs / 1_000} s until ${what}`);
    await delay(50);
  }
}

function startTable(cluster: SandboxCluster, screen: Screen): { stop(): Promise<void> } {
  let isStopped = false;
  const run = async (): Promise<void> => {
    while (!isStopped) {
      await cluster.read().then(
        (keys) => screen.show(describeCluster(keys)),
        () => undefined,
      );
      await delay(250);
    }
  };
  const done = run();
  return {
    stop: async () => {
      isStopped = true;
      await done;
    },
  };
}

async function keep(cluster: SandboxCluster, screen: Screen, summary: Summary): Promise<void> {
  for (const line of summaryLines(summary)) screen.say(line);
  const config = cluster.member('node2').agent.configFile;
  const self = 'npx slotkeeper';
  screen.say('The cluster goes on until Ctrl-C. Look at it with:');
  screen.say(`  ${self} list -c ${config}`);
  screen.say(`  ${self} slots -c ${config}`);
  screen.say(`  curl -s ${cluster.member('node2').agent.restUrl}/slots`);
  screen.say(`  psql ${cluster.member('node2').server.connUrl()}`);
  screen.say(`  open ${cluster.consul.url}/ui`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
