import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { childrenOf, commandLineOf, signalProcess } from '../../../src/sandbox/system.ts';
import type { Acceptance } from './witness.ts';
import type { Scene } from './scene.ts';

/** Something bad that happens to a member, or to Consul. */
export interface Fault {
  readonly name: string;
  /** Resolves to what ends it. */
  readonly begin: (scene: Scene, victim: string) => Promise<() => Promise<void>>;
  /** How long it lasts. */
  readonly lastsMs: number;
  /** What no two servers do at once meanwhile. A lifeline that hangs stops nobody: what then holds is synchronous mode. */
  readonly exclusive: Acceptance;
}

/** Longer than any lease: a member that is cut off has been followed by then. */
const longMs = 30_000;
/** A service manager starts again what was killed. */
const restartMs = 2_000;

export const faults: readonly Fault[] = [
  {
    name: 'agent killed',
    lastsMs: restartMs,
    exclusive: 'local',
    begin: async ({ cluster }, victim) => {
      const { agent } = cluster.member(victim);
      await agent.kill();
      return () => agent.start();
    },
  },
  {
    name: 'agent frozen',
    lastsMs: longMs,
    exclusive: 'local',
    begin: ({ cluster }, victim) => Promise.resolve(freeze([cluster.member(victim).agent.process().pid])),
  },
  {
    name: 'server killed',
    lastsMs: restartMs,
    exclusive: 'local',
    begin: async (scene, victim) => {
      // the postmaster, or the program that is at work on the data; what it started finds out by itself
      for (const pid of await mainProcesses(scene, victim)) signalProcess(pid, 'SIGKILL');
      return () => Promise.resolve();
    },
  },
  {
    name: 'server frozen',
    lastsMs: longMs,
    exclusive: 'local',
    begin: async (scene, victim) => freeze(await mainProcesses(scene, victim)),
  },
  {
    name: 'agent and server killed',
    lastsMs: restartMs,
    exclusive: 'local',
    begin: async (scene, victim) => {
      const { agent } = scene.cluster.member(victim);
      const killed = agent.kill();
      for (const pid of await allProcesses(scene, victim)) signalProcess(pid, 'SIGKILL');
      await killed;
      return () => agent.start();
    },
  },
  {
    name: 'agent and server frozen',
    lastsMs: longMs,
    exclusive: 'local',
    begin: async (scene, victim) => {
      const { pid } = scene.cluster.member(victim).agent.process();
      return freeze([pid, ...(await allProcesses(scene, victim))]);
    },
  },
  {
    name: 'agent and lifeline frozen',
    lastsMs: longMs,
    exclusive: 'acknowledged',
    begin: async (scene, victim) => {
      const { pid } = scene.cluster.member(victim).agent.process();
      return freeze([pid, ...(await lifelinesOf(pid))]);
    },
  },
  {
    name: 'machine frozen',
    lastsMs: longMs,
    exclusive: 'acknowledged',
    begin: async (scene, victim) => {
      const { pid } = scene.cluster.member(victim).agent.process();
      return freeze([pid, ...(await lifelinesOf(pid)), ...(await allProcesses(scene, victim))]);
    },
  },
  {
    name: 'cut off from Consul, silently',
    lastsMs: longMs,
    exclusive: 'local',
    begin: (scene, victim) => {
      const network = scene.network(victim);
      network.blackHole();
      return Promise.resolve(() => network.heal());
    },
  },
  {
    name: "Consul's answers get lost",
    lastsMs: longMs,
    exclusive: 'local',
    begin: (scene, victim) => {
      const network = scene.network(victim);
      network.blackHole('to client');
      return Promise.resolve(() => network.heal());
    },
  },
  {
    name: 'cut off from Consul, with resets',
    lastsMs: longMs,
    exclusive: 'local',
    begin: async (scene, victim) => {
      const network = scene.network(victim);
      await network.refuse();
      return () => network.heal();
    },
  },
  {
    name: 'Consul far away',
    lastsMs: longMs,
    exclusive: 'local',
    begin: (scene, victim) => {
      const network = scene.network(victim);
      network.delay(1_000);
      return Promise.resolve(() => network.heal());
    },
  },
  {
    name: 'Consul killed',
    lastsMs: restartMs,
    exclusive: 'local',
    begin: async ({ cluster: { consul } }) => {
      await consul.kill();
      return () => consul.start();
    },
  },
  {
    name: 'Consul frozen',
    lastsMs: longMs,
    exclusive: 'local',
    begin: ({ cluster: { consul } }) => {
      consul.freeze();
      return Promise.resolve(() => {
        consul.thaw();
        return Promise.resolve();
      });
    },
  },
];

export function faultNamed(name: string): Fault {
  const fault = faults.find((one) => one.name === name);
  if (fault === undefined) throw new Error(`there is no fault ${name}`);
  return fault;
}

/** The fault as long as it lasts, and its end. */
export async function suffer(fault: Fault, scene: Scene, victim: string, lastsMs = fault.lastsMs): Promise<void> {
  const end = await fault.begin(scene, victim);
  await delay(lastsMs);
  await end();
}

/** The postmaster; else the program that makes, copies or rewinds the data; else nothing runs. */
async function mainProcesses({ cluster }: Scene, victim: string): Promise<readonly number[]> {
  const { server } = cluster.member(victim);
  const postmaster = await server.postmasterPid();
  if (postmaster !== undefined) return [postmaster];
  const program = Number(await readFile(`${server.dataDir}.slotkeeper-program`, 'utf8').catch(() => ''));
  return program > 1 && (await commandLineOf(program)).includes(server.dataDir) ? [program] : [];
}

async function allProcesses(scene: Scene, victim: string): Promise<readonly number[]> {
  const main = await mainProcesses(scene, victim);
  const children = await Promise.all(main.map(childrenOf));
  return [...main, ...children.flat()];
}

async function lifelinesOf(agent: number): Promise<readonly number[]> {
  const children = await childrenOf(agent);
  const lines = await Promise.all(children.map(commandLineOf));
  return children.filter((_, index) => /lifeline\/main\.js/.test(lines[index] ?? ''));
}

/** Resolves to what lets them go on; one that has been ended meanwhile is no trouble. */
function freeze(pids: readonly number[]): () => Promise<void> {
  const frozen = pids.filter((pid) => signalProcess(pid, 'SIGSTOP'));
  return () => {
    for (const pid of frozen) signalProcess(pid, 'SIGCONT');
    return Promise.resolve();
  };
}
