import process from 'node:process';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { describeCluster } from '../../src/demo/picture.ts';
import {
  slotkeeperScript,
  startCluster,
  type ClusterOptions,
  type SandboxCluster,
  type SandboxMember,
} from '../../src/sandbox/cluster.ts';
import { Sandbox } from '../../src/sandbox/processes.ts';
import { run } from '../../src/sandbox/run.ts';

export interface ClusterUnderTest extends SandboxCluster {
  readonly sandbox: Sandbox;
  startAgents(...names: readonly string[]): Promise<void>;
}

/** alpha is the primary, beta streams from it, gamma from beta. */
export const cascade = [
  { name: 'alpha', upstream: null },
  { name: 'beta', upstream: 'alpha' },
  { name: 'gamma', upstream: 'beta' },
] as const;

/** alpha is the primary, beta and gamma stream from it. */
export const twoStandbys = [
  { name: 'alpha', upstream: null },
  { name: 'beta', upstream: 'alpha' },
  { name: 'gamma', upstream: 'alpha' },
] as const;

/** Every member's physical slot, declared, so that each can stream from any other after a failover. */
export function memberSlots(cluster: SandboxCluster): Record<string, unknown> {
  return Object.fromEntries([...cluster.members.keys()].map((name) => [name, { type: 'physical' }]));
}

type UsedOptions = Omit<ClusterOptions, 'scope'>;

/**
 * Servers for the tests of the describe block in which this is called; they share them, in order. The agents are
 * started by the tests. When a test fails, what the agents and servers have logged is printed, and those after it, which
 * begin where it should have ended, are left out.
 */
export function useCluster(options: UsedOptions | (() => Promise<UsedOptions>)): () => ClusterUnderTest {
  let cluster: ClusterUnderTest | undefined;
  let sandbox: Sandbox | undefined;
  let failed: string | undefined;
  const current = (): ClusterUnderTest => {
    if (cluster === undefined) throw new Error('the cluster is started before the first test');
    return cluster;
  };
  beforeAll(async () => {
    sandbox = await Sandbox.open();
    const wanted = typeof options === 'function' ? await options() : options;
    const started = await startCluster(sandbox, { scope: 'test', ...wanted });
    cluster = {
      ...started,
      sandbox,
      startAgents: async (...names) => {
        for (const name of names.length === 0 ? started.members.keys() : names)
          await started.member(name).agent.start();
      },
    };
  });
  beforeEach(({ skip }) => {
    skip(failed !== undefined, `begins where "${failed ?? ''}" should have ended`);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    failed = task.name;
    if (cluster !== undefined) await printLogs(cluster);
  });
  afterAll(async () => {
    await sandbox?.close();
  });
  return current;
}

async function printLogs(cluster: SandboxCluster): Promise<void> {
  const keys = await cluster.read().catch(() => null);
  const parts = [keys === null ? 'Consul does not answer' : describeCluster(keys).join('\n')];
  for (const { name, agent, server } of cluster.members.values()) {
    const log = await agent.log();
    parts.push(`--- agent of ${name}\n${log.split('\n').slice(-80).join('\n')}`);
    parts.push(`--- server of ${name}\n${await server.logTail(20)}`);
  }
  console.error(parts.join('\n'));
}

/** Runs a command of slotkeeper against the cluster and gives its standard output. */
export function slotkeeper(member: SandboxMember, ...args: readonly string[]): Promise<string> {
  return run(process.execPath, [slotkeeperScript(), ...args, '--config', member.agent.configFile]);
}

/** The problems of `slotkeeper list --json`. */
export async function listedProblems(member: SandboxMember): Promise<readonly string[]> {
  const listed = JSON.parse(await slotkeeper(member, 'list', '--json')) as { readonly problems: readonly string[] };
  return listed.problems;
}
