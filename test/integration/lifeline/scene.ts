import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConsulClient } from '../../../src/consul/client.ts';
import { memberKey, type ScopeKeys } from '../../../src/consul/keys.ts';
import type { LifelineSettings } from '../../../src/lifeline/lifeline.ts';
import { guardPath, type GuardRecord } from '../../../src/lifeline/guard-file.ts';
import { machineMs } from '../../../src/lifeline/message.ts';
import { processesIn } from '../../../src/lifeline/process-table.ts';
import type { ConsulAgent } from '../../../src/sandbox/consul-server.ts';
import type { PostgresServer } from '../../../src/sandbox/postgres-server.ts';
import type { Sandbox, SandboxProcess } from '../../../src/sandbox/processes.ts';
import { isRunning, signalProcess } from '../../../src/sandbox/system.ts';
import { eventually } from '../../support/eventually.ts';
import { freshScope, never, sessionSpec } from '../consul/fixtures.ts';
import type { StandInOrder } from './stand-in.ts';

/** A primary whose member holds the leader key and its member key. */
export interface Lead {
  readonly keys: ScopeKeys;
  readonly session: string;
  readonly term: number;
}

export async function takeLead(client: ConsulClient): Promise<Lead> {
  const keys = freshScope();
  const session = await client.createSession(sessionSpec({ ttlSeconds: 10, lockDelaySeconds: 10 }), never);
  const lock = (key: string) => client.transact([{ verb: 'lock', key, value: 'one', session }], never);
  await lock(memberKey(keys, 'one'));
  const locked = await lock(keys.leader);
  const term = locked.kind === 'done' ? (locked.entries[0]?.modifyIndex ?? 0) : 0;
  return { keys, session, term };
}

/** Which of the two keys are there. */
export async function keysLeft(client: ConsulClient, { keys }: Lead): Promise<readonly string[]> {
  const { entries } = await client.readPrefix(keys.prefix, { index: 0, waitMs: 0, signal: never });
  return entries.map(({ key }) => key.slice(keys.prefix.length));
}

/** Resolves when another session has the leader key. */
export async function takeOver(client: ConsulClient, { keys }: Lead): Promise<void> {
  const session = await client.createSession(sessionSpec({ name: 'other' }), never);
  await eventually(
    async () => {
      const { kind } = await client.transact([{ verb: 'lock', key: keys.leader, value: 'two', session }], never);
      return kind === 'done';
    },
    { what: 'the leader key to be free', timeoutMs: 25_000, intervalMs: 5 },
  );
}

export function settingsOf(
  server: PostgresServer,
  consul: ConsulAgent,
  lead: Lead,
): Omit<LifelineSettings, 'clock' | 'report'> {
  return {
    ...orderOf(server.dataDir, lead),
    consul: {
      ...consul.address,
      scheme: 'http',
      token: consul.token ?? null,
      tokenFile: null,
      dc: null,
      verify: true,
      cacert: null,
      cert: null,
      key: null,
    },
  };
}

export function orderOf(dataDir: string, { keys }: Lead): Omit<LifelineSettings, 'clock' | 'report' | 'consul'> {
  return {
    dataDir,
    leaderKey: keys.leader,
    memberKey: memberKey(keys, 'one'),
    fastFailover: false,
    watchdog: { mode: 'off', device: '/dev/watchdog' },
  };
}

let started = 0;

/** Starts a stand-in for an agent and waits until its guard is in force, if it has one. */
export async function startAgent(sandbox: Sandbox, standIn: string, order: StandInOrder): Promise<SandboxProcess> {
  started += 1;
  const name = `agent${started}`;
  const logFile = join(sandbox.folder, `${name}.log`);
  const args = [standIn, JSON.stringify(order)];
  const agent = await sandbox.spawn({ name, command: process.execPath, args, logFile });
  const awaited = order.guard === null ? 'begun' : 'in force';
  await eventually(async () => (await agent.logTail()).includes(awaited), { what: `${name}: ${awaited}` });
  return agent;
}

/** The guard that is in force, as its file says. */
export async function guardIn(server: PostgresServer): Promise<GuardRecord> {
  return JSON.parse(await readFile(guardPath(server.dataDir), 'utf8')) as GuardRecord;
}

/** The lifeline of that agent, once it guards. */
export function lifelineOf(agent: SandboxProcess, server: PostgresServer): Promise<number> {
  return eventually(
    async () => {
      const record = await guardIn(server);
      return record.agent?.pid === agent.pid && record.lifeline?.pid;
    },
    { what: `the guard of ${agent.name}` },
  );
}

/** Stays until its agent is gone and its lease is over, unless it is killed. */
export async function killLifeline(server: PostgresServer): Promise<void> {
  const { lifeline } = await guardIn(server).catch(() => ({ lifeline: null }));
  if (lifeline !== null) signalProcess(lifeline.pid, 'SIGKILL');
}

/** Resolves to the machine's milliseconds when no process of the server is left. */
export async function untilStopped(server: PostgresServer): Promise<number> {
  await eventually(
    async () => processesIn(server.dataDir, /postgres/).length === 0 && (await server.postmasterPid()) === undefined,
    { what: `${server.name} to be stopped`, intervalMs: 5 },
  );
  return machineMs();
}

export async function untilEnded(pid: number): Promise<void> {
  await eventually(() => !isRunning(pid), { what: `process ${pid} to end`, timeoutMs: 20_000 });
}
