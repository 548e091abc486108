import { leaderName } from '../domain/cluster.ts';
import { missingToManage } from '../sandbox/binaries.ts';
import { startCluster } from '../sandbox/cluster.ts';
import { findPostgres } from '../sandbox/locate.ts';
import { Sandbox } from '../sandbox/processes.ts';
import { playManaged } from './managed-play.ts';
import { createScreen, type Screen } from './screen.ts';
import {
  countRestarted,
  isReady,
  keep,
  publication,
  scope,
  settled,
  slot,
  startFlow,
  startTable,
  startTimes,
  table,
  until,
  untilWritten,
} from './steps.ts';
import { summaryLines, type Summary } from './summary.ts';

export interface DemoOptions {
  readonly json: boolean;
  /** Leave the cluster running until Ctrl-C, and say how to look at it. */
  readonly keep: boolean;
  /** PostgreSQL's major version; undefined = whichever is found first. */
  readonly major?: number;
  readonly rowsPerSecond: number;
  readonly output: NodeJS.WriteStream;
}

/**
 * The main job, for all to see: a slot declared in Consul, a consumer, and a primary that is killed in mid-stream: every
 * acknowledged row still arrives. Where PostgreSQL is complete slotkeeper runs the cluster (`ha: manage`); where it is not,
 * the demonstration itself promotes, and slotkeeper keeps the slots (`ha: observe`).
 */
export async function runDemo(options: DemoOptions): Promise<Summary> {
  const screen = createScreen(options.output);
  const sandbox = await Sandbox.open({ progress: (line) => screen.say(line) });
  try {
    const { binDir } = await findPostgres(options.major, sandbox.progress);
    const missing = missingToManage(binDir);
    if (missing.length > 0)
      screen.say(`without ${missing.join(', ')} servers are not made by slotkeeper here, but for it`);
    const play = missing.length === 0 ? playManaged : playObserved;
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

/** `ha: observe`: three servers in a row, of which slotkeeper keeps the slots while somebody else promotes. */
async function playObserved(sandbox: Sandbox, options: DemoOptions, screen: Screen): Promise<Summary> {
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
    const declare = (): Promise<void> =>
      cluster.configure({
        slots: {
          [slot]: { type: 'logical', database: 'postgres', plugin: 'pgoutput' },
          node1: { type: 'physical' },
          node2: { type: 'physical' },
          node3: { type: 'physical' },
        },
      });
    const flow = { standbys: ['node2', 'node3'], rowsPerSecond: options.rowsPerSecond, declare };
    const { consumer, writer, slotReadyMs } = await startFlow(cluster, flow, screen);

    screen.say('killing the primary, node1, with SIGKILL');
    const killedAtMs = performance.now();
    await node1.kill();
    const downAtMs = performance.now();
    screen.say('promoting node2');
    await node2.promote();
    const url = node2.connUrl();
    await until('the consumer streams from node2', () =>
      Promise.resolve(consumer.streaming?.url.includes(`:${node2.port}`) === true),
    );
    const consumerMs = (consumer.streaming?.atMs ?? performance.now()) - killedAtMs;
    screen.say(`the consumer goes on from the slot on node2 (${new URL(url).host}) after ${Math.round(consumerMs)} ms`);
    const before = writer.acknowledged.size;
    await until('500 more rows are written', () => Promise.resolve(writer.acknowledged.size >= before + 500));
    await until('the slot is ready on node3 again', async () => isReady(await cluster.read(), ['node3']));
    const standbysRestarted = await countRestarted(standbys, started);
    await writer.stop();
    const lostRows = await settled(writer, consumer);
    const summary: Summary = {
      ok: lostRows.length === 0,
      ha: 'observe',
      lost: lostRows.length,
      duplicated: consumer.duplicated,
      rows: writer.acknowledged.size,
      received: consumer.distinct,
      slotReadyMs: Math.round(slotReadyMs),
      failoverMs: Math.round((await untilWritten(writer, downAtMs)) - killedAtMs),
      consumerMs: Math.round(consumerMs),
      switchoverMs: null,
      postgres: node2.major,
      standbysRestarted,
      lostRows: lostRows.slice(0, 100),
    };
    if (options.keep) {
      for (const line of summaryLines(summary)) screen.say(line);
      await keep(cluster, 'node2', screen);
    }
    await consumer.stop();
    return summary;
  } finally {
    await live.stop();
  }
}
