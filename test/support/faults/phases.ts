import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { leaderName } from '../../../src/domain/cluster.ts';
import { signalProcess } from '../../../src/sandbox/system.ts';
import { encodeFailover } from '../../../src/consul/codec/lead.ts';
import type { Scene } from './scene.ts';

/** A time in the life of a cluster in which a fault may come. */
export interface Phase {
  readonly name: string;
  /** Whether the cluster is made in it, from empty folders. */
  readonly isFirst: boolean;
  /** Brings the cluster there. Resolves within milliseconds of the moment. */
  readonly reach: (scene: Scene) => Promise<Reached>;
}

export interface Reached {
  /** The member that the phase is about. */
  readonly victim: string;
  /** What the phase itself needs to be put right, once the fault is over. */
  readonly restore: () => Promise<void>;
}

const nothing = (): Promise<void> => Promise.resolve();

export const phases: readonly Phase[] = [
  {
    name: 'leading',
    isFirst: false,
    reach: async (scene) => ({ victim: await settled(scene), restore: nothing }),
  },
  {
    name: 'bootstrap',
    isFirst: true,
    reach: async (scene) => {
      // Not waited for: one of them is at work before the last is there. One that is killed does not come up, as it should.
      const started = Promise.allSettled([...scene.cluster.members.values()].map(({ agent }) => agent.start()));
      const atWork = (): string | undefined => scene.names.find((name) => isAtWork(scene, name, 'bootstrap'));
      const victim = await moment('a member to bootstrap', atWork);
      return { victim, restore: () => started.then(() => undefined) };
    },
  },
  {
    name: 'copy',
    isFirst: false,
    reach: async (scene) => {
      const [victim] = await copying(scene);
      return { victim, restore: nothing };
    },
  },
  {
    name: 'copy, of its source',
    isFirst: false,
    reach: async (scene) => {
      const [, victim] = await copying(scene);
      return { victim, restore: nothing };
    },
  },
  {
    name: 'promotion',
    isFirst: false,
    reach: async (scene) => {
      const old = await settled(scene);
      const { agent, server } = scene.cluster.member(old);
      await Promise.all([agent.kill(), server.kill()]);
      const victim = await moment('another leader', async () => {
        const leader = leaderName(await scene.cluster.read());
        return leader === null || leader === old ? undefined : leader;
      });
      return { victim, restore: () => agent.start() };
    },
  },
  {
    name: 'rewind',
    isFirst: false,
    reach: async (scene) => {
      const old = await settled(scene);
      const { agent, server } = scene.cluster.member(old);
      await diverge(scene, old);
      await Promise.all([agent.kill(), server.kill()]);
      await scene.untilWhole(...scene.names.filter((name) => name !== old));
      await agent.start();
      await moment(`${old} to be rewound`, () => isAtWork(scene, server.name, 'rewind') || undefined);
      return { victim: old, restore: nothing };
    },
  },
  {
    name: 'switchover, of the old leader',
    isFirst: false,
    reach: async (scene) => {
      const { leader } = await switchingOver(scene);
      return { victim: leader, restore: nothing };
    },
  },
  {
    name: 'switchover, of the candidate',
    isFirst: false,
    reach: async (scene) => {
      const { candidate } = await switchingOver(scene);
      return { victim: candidate, restore: nothing };
    },
  },
];

export function phaseNamed(name: string): Phase {
  const phase = phases.find((one) => one.name === name);
  if (phase === undefined) throw new Error(`there is no phase ${name}`);
  return phase;
}

/** The leader of a cluster in which nothing is going on. */
async function settled(scene: Scene): Promise<string> {
  const leader = await scene.untilWhole();
  await scene.untilSynchronous();
  return leader;
}

/** Resolves to the standby that is being copied anew, and to its source, in the middle of it. */
async function copying(scene: Scene): Promise<readonly [string, string]> {
  const leader = await settled(scene);
  const standby = scene.names.find((name) => name !== leader) ?? '';
  const { agent, server } = scene.cluster.member(standby);
  await fetch(`${agent.restUrl}/reinitialize`, { method: 'POST', signal: AbortSignal.timeout(5_000) });
  await moment(`${standby} to be copied`, () => {
    return (isAtWork(scene, standby, 'clone') && existsSync(`${server.dataDir}/base`)) || undefined;
  });
  return [standby, leader];
}

/** WAL that nobody else has: a server that dies with it has to be rewound. */
async function diverge({ cluster }: Scene, leader: string): Promise<void> {
  const { server } = cluster.member(leader);
  await server.withClient(async (client) => {
    const { rows } = await client.query<{ pid: number }>('select pid from pg_stat_replication');
    for (const { pid } of rows) signalProcess(pid, 'SIGSTOP');
    await client.query('set synchronous_commit to local');
    await client.query('create table if not exists only_here (id int)');
    await client.query('insert into only_here select generate_series(1, 1000)');
  });
}

/** Resolves when the old leader's server is being stopped, or stopped already, for the sake of the switchover. */
async function switchingOver(scene: Scene): Promise<{ readonly leader: string; readonly candidate: string }> {
  const leader = await settled(scene);
  const { client, keys } = scene.cluster;
  const { sync } = await scene.cluster.read();
  const candidate = sync?.value?.standbys[0] ?? '';
  const value = encodeFailover({ leader, candidate, scheduledAt: null, force: true });
  const { dataDir } = scene.cluster.member(leader).server;
  const before = await readFile(`${dataDir}/postmaster.pid`, 'utf8');
  await client.transact([{ verb: 'set', key: keys.failover, value }], AbortSignal.timeout(5_000));
  await moment(`${leader} to be stopped`, async () => {
    const pidFile = await readFile(`${dataDir}/postmaster.pid`, 'utf8').catch(() => '');
    // its last line tells how the server is: "stopping" follows on "ready"
    return pidFile !== before || undefined;
  });
  return { leader, candidate };
}

function isAtWork(scene: Scene, member: string, work: 'bootstrap' | 'clone' | 'rewind'): boolean {
  const mark = `${scene.cluster.member(member).server.dataDir}.slotkeeper-unfinished`;
  return existsSync(mark) && readFileSync(mark, 'utf8').includes(work);
}

async function moment<T>(what: string, hasCome: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadlineMs = performance.now() + 120_000;
  for (;;) {
    const found = await hasCome();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`waited 120 s for ${what}`);
    await delay(2);
  }
}
