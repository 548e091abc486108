import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterKeys } from '../domain/cluster.ts';
import type { SandboxCluster } from '../sandbox/cluster.ts';
import type { PostgresServer } from '../sandbox/postgres-server.ts';
import { Consumer } from './consumer.ts';
import { describeCluster } from './picture.ts';
import type { Screen } from './screen.ts';
import { restartsInWords } from './summary.ts';
import { Writer } from './writer.ts';

// What the demonstration is about, and the steps that both of its plays have in common.

export const scope = 'demo';
export const slot = 'orders';
export const table = 'orders';
export const publication = 'demo';
const patienceMs = 120_000;

export async function startTimes(servers: readonly PostgresServer[]): Promise<readonly string[]> {
  return Promise.all(
    servers.map(async (server) => {
      const [row] = await server.query<{ at: string }>('SELECT pg_postmaster_start_time()::text AS at');
      return row?.at ?? '';
    }),
  );
}

/** What goes on while the cluster is looked at, and what the slot has cost until it was ready everywhere. */
export interface Flow {
  readonly consumer: Consumer;
  readonly writer: Writer;
  readonly slotReadyMs: number;
  readonly restarted: number;
}

/** Declares the slot by `declare`, lets rows flow through it, and waits until it is ready on the standbys. */
export async function startFlow(
  cluster: SandboxCluster,
  {
    standbys,
    rowsPerSecond,
    declare,
  }: { readonly standbys: readonly string[]; readonly rowsPerSecond: number; readonly declare: () => Promise<void> },
  screen: Screen,
): Promise<Flow> {
  const servers = standbys.map((name) => cluster.member(name).server);
  const started = await startTimes(servers);
  screen.say(`declaring the logical slot ${slot} in Consul KV, key ${cluster.keys.config}`);
  const declaredAtMs = performance.now();
  await declare();
  await until('the slot is on the primary', async () => (await cluster.read()).status?.value?.slots.has(slot) === true);
  const findPrimary = cluster.primaryUrl;
  const consumer = new Consumer({ slot, publication, findPrimary });
  const writer = new Writer({ findPrimary, table, rowsPerSecond });
  consumer.start();
  writer.start();
  await until(`the slot is ready on ${standbys.join(' and ')}`, async () => isReady(await cluster.read(), standbys));
  const slotReadyMs = performance.now() - declaredAtMs;
  const restarted = await countRestarted(servers, started);
  screen.say(`the slot is ready on every standby after ${Math.round(slotReadyMs)} ms; ${restartsInWords(restarted)}`);
  await until('500 rows have arrived', () => Promise.resolve(consumer.distinct >= 500));
  return { consumer, writer, slotReadyMs, restarted };
}

/** How many of the servers are not the same process any more as when `started` was taken. */
export async function countRestarted(servers: readonly PostgresServer[], started: readonly string[]): Promise<number> {
  const now = await startTimes(servers);
  return now.filter((at, index) => at !== started[index]).length;
}

/** The acknowledged rows that have not arrived, once all have, or after some patience. */
export async function settled(writer: Writer, consumer: Consumer): Promise<readonly number[]> {
  const missing = (): number[] => {
    const arrived = consumer.rows;
    return [...writer.acknowledged.keys()].filter((row) => !arrived.has(row));
  };
  const deadlineMs = performance.now() + 20_000;
  while (missing().length > 0 && performance.now() < deadlineMs) await delay(100);
  return missing();
}

export function isReady(keys: ClusterKeys, members: readonly string[]): boolean {
  return members.every((name) => keys.members.get(name)?.value?.slots.get(slot)?.verdict.kind === 'ready');
}

export async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await isTrue().catch(() => false))) {
    if (performance.now() > deadlineMs) throw new Error(`gave up waiting after ${patienceMs / 1_000} s until ${what}`);
    await delay(50);
  }
}

export function startTable(cluster: SandboxCluster, screen: Screen): { stop(): Promise<void> } {
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

/** Leaves the cluster as it is until Ctrl-C, and says how to look at it from the member. */
export async function keep(cluster: SandboxCluster, member: string, screen: Screen): Promise<void> {
  const { agent, server } = cluster.member(member);
  const config = agent.configFile;
  const self = 'npx slotkeeper';
  screen.say('The cluster goes on until Ctrl-C. Look at it with:');
  screen.say(`  ${self} list -c ${config}`);
  screen.say(`  ${self} slots -c ${config}`);
  screen.say(`  curl -s ${agent.restUrl}/slots`);
  screen.say(`  psql ${server.connUrl()}`);
  screen.say(`  open ${cluster.consul.url}/ui`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

/** When the first row after a moment was acknowledged, once one has been. */
export async function untilWritten(writer: Writer, atMs: number): Promise<number> {
  let found: number | undefined;
  await until('a write is accepted', () => {
    found = [...writer.acknowledged.values()].find((ackMs) => ackMs > atMs);
    return Promise.resolve(found !== undefined);
  });
  return found ?? Number.NaN;
}
