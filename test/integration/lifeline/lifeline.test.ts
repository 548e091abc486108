import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ConsulClient } from '../../../src/consul/client.ts';
import { machineMs } from '../../../src/lifeline/message.ts';
import { startConsul, type ConsulAgent } from '../../../src/sandbox/consul-server.ts';
import { findConsul } from '../../../src/sandbox/locate.ts';
import { type PostgresServer, startPrimary } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox, type SandboxProcess } from '../../../src/sandbox/processes.ts';
import { childrenOf, isRunning, signalProcess } from '../../../src/sandbox/system.ts';
import { compiled, type Program } from '../../sim/compiled.ts';
import { eventually } from '../../support/eventually.ts';
import { clientOf } from '../consul/fixtures.ts';
import { postgresUnderTest } from '../postgres/servers.ts';
import {
  guardIn,
  keysLeft,
  type Lead,
  killLifeline,
  lifelineOf,
  settingsOf,
  startAgent,
  takeLead,
  takeOver,
  untilEnded,
  untilStopped,
} from './scene.ts';
import type { StandInOrder } from './stand-in.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describe.each(await postgresUnderTest())('the lifeline of PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let consul: ConsulAgent;
  let client: ConsulClient;
  let server: PostgresServer;
  let program: Program;
  let standIn: Program;
  let lead: Lead;
  let agents: SandboxProcess[] = [];

  beforeAll(async () => {
    program = await compiled(pathOf('../../../src/lifeline/main.ts'));
    standIn = await compiled(pathOf('stand-in.ts'));
    sandbox = await Sandbox.open();
    consul = await startConsul(sandbox, { consul: await findConsul(), mode: 'dev' });
    client = clientOf(consul.address);
    server = await startPrimary(sandbox, { name: 'one', postgres });
    await server.query('create table t (i int)');
  });
  afterAll(async () => {
    client.close();
    await sandbox.close();
    await Promise.all([program.remove(), standIn.remove()]);
  });
  beforeEach(async () => {
    lead = await takeLead(client);
    if ((await server.postmasterPid()) === undefined) await server.start();
  });
  afterEach(async () => {
    await Promise.all(agents.map((agent) => agent.kill()));
    agents = [];
    await killLifeline(server);
  });

  const begin = async (leaseMs: number | null, changed: Partial<StandInOrder['settings']> = {}) => {
    const { term, session } = lead;
    const agent = await startAgent(sandbox, standIn.entry, {
      settings: { ...settingsOf(server, consul, lead), ...changed },
      program: program.entry,
      guard: leaseMs === null ? null : { term, session, leaseMs },
    });
    agents.push(agent);
    return agent;
  };
  const write = () => server.query('insert into t values (1)');

  test('an agent that is killed is not missed before the lease is over; then the server is stopped', async () => {
    const agent = await begin(3_000);
    await agent.kill();
    await write();
    const { deadlineMs } = await guardIn(server);
    const lateMs = (await untilStopped(server)) - deadlineMs;
    expect(lateMs).toBeGreaterThan(0);
    expect(lateMs).toBeLessThan(2_500);
    await takeOver(client, lead);
    console.info(`agent killed: stopped ${Math.round(lateMs)} ms after the deadline`);
  });

  test('an agent that hangs: the same, and the key is free at once', async () => {
    const agent = await begin(2_000);
    agent.freeze();
    const { deadlineMs } = await guardIn(server);
    const lateMs = (await untilStopped(server)) - deadlineMs;
    await takeOver(client, lead);
    const freeMs = machineMs() - deadlineMs;
    expect(lateMs).toBeGreaterThan(0);
    expect(freeMs).toBeLessThan(3_000);
    console.info(`agent frozen: stopped ${Math.round(lateMs)}, key free ${Math.round(freeMs)} ms after the deadline`);
  });

  test('agent and server killed: the key is free at once, and nobody waits for this member', async () => {
    const agent = await begin(9_000);
    const lifeline = await lifelineOf(agent, server);
    const killedAtMs = machineMs();
    await Promise.all([agent.kill(), server.kill()]);
    await takeOver(client, lead);
    const freeMs = machineMs() - killedAtMs;
    expect(freeMs).toBeLessThan(3_000);
    await eventually(async () => (await keysLeft(client, lead)).join() === 'leader', { what: 'the member key to go' });
    expect(isRunning(lifeline)).toBe(true);
    console.info(`agent and server killed: free after ${Math.round(freeMs)} ms`);
  });

  test('a server that comes up after that is stopped, until the lease is over', async () => {
    const agent = await begin(6_000);
    await Promise.all([agent.kill(), server.kill()]);
    await takeOver(client, lead);
    await server.launch();
    // It is stopped in the middle of its recovery, before anybody could write, or a moment later.
    await eventually(
      async () => (await readFile(server.logFile, 'utf8')).includes('received immediate shutdown request'),
      {
        what: 'the server to be stopped',
      },
    );
    await untilStopped(server);
  });

  test('the server alone killed: that is its agent’s business', async () => {
    await begin(2_000);
    await server.kill();
    await server.start();
    await expect(write()).resolves.toBeDefined();
    expect(await keysLeft(client, lead)).toContain('leader');
  });

  test('with fast failover an agent is waited for two seconds only', async () => {
    const agent = await begin(9_000, { fastFailover: true });
    await agent.kill();
    const killedAtMs = machineMs();
    const stoppedMs = (await untilStopped(server)) - killedAtMs;
    expect(stoppedMs).toBeGreaterThan(1_900);
    expect(stoppedMs).toBeLessThan(3_500);
    await takeOver(client, lead);
  });

  test('a restarted agent takes over without a gap', async () => {
    const agent = await begin(8_000);
    const former = await lifelineOf(agent, server);
    await agent.kill();
    const later = await begin(8_000);
    await untilEnded(former);
    expect(await lifelineOf(later, server)).not.toBe(former);
    const { deadlineMs } = await guardIn(server);
    await eventually(async () => (await guardIn(server)).deadlineMs > deadlineMs + 9_000, { what: 'a lease to pass' });
    await write();
  });

  test('a restarted agent that comes to nothing is held to the guard of the former one', async () => {
    const agent = await begin(4_000);
    const former = await lifelineOf(agent, server);
    await agent.kill();
    const { deadlineMs } = await guardIn(server);
    await begin(null);
    await untilEnded(former);
    const lateMs = (await untilStopped(server)) - deadlineMs;
    expect(lateMs).toBeGreaterThan(0);
    expect(lateMs).toBeLessThan(2_500);
    await takeOver(client, lead);
  });

  test('a lifeline that is killed is replaced, and the guard is in force again', async () => {
    const agent = await begin(3_000);
    const former = await lifelineOf(agent, server);
    signalProcess(former, 'SIGKILL');
    await eventually(async () => (await lifelineOf(agent, server)) !== former, {
      what: 'another lifeline',
      intervalMs: 5,
    });
    await eventually(
      async () => (await readFile(agent.logFile, 'utf8')).includes('the lifeline was ended by SIGKILL'),
      {
        what: 'the agent to tell',
      },
    );
    await agent.kill();
    await untilStopped(server);
    await takeOver(client, lead);
  });

  test('a lifeline that hangs is replaced', async () => {
    const agent = await begin(8_000);
    const former = await lifelineOf(agent, server);
    signalProcess(former, 'SIGSTOP');
    await eventually(async () => (await lifelineOf(agent, server)) !== former, { what: 'another lifeline' });
    await untilEnded(former);
    await write();
  });

  test('a server that hangs is killed, with everything that belongs to it', async () => {
    const agent = await begin(1_500);
    const postmaster = (await server.postmasterPid()) ?? 0;
    const pids = [postmaster, ...(await childrenOf(postmaster))];
    await server.freeze();
    agent.freeze();
    await Promise.all(pids.map(untilEnded));
    await takeOver(client, lead);
  });

  test('a backend that has outlived its postmaster does not go on writing', async () => {
    const agent = await begin(9_000);
    const postmaster = (await server.postmasterPid()) ?? 0;
    const busy = server.query(`do $$ begin loop perform 1; end loop; end $$`).catch(() => undefined);
    await eventually(
      async () => (await server.query(`select from pg_stat_activity where query like 'do %'`)).length > 0,
      { what: 'a busy backend' },
    );
    const children = await childrenOf(postmaster);
    await agent.kill();
    signalProcess(postmaster, 'SIGKILL');
    await Promise.all(children.map(untilEnded));
    await takeOver(client, lead);
    await busy;
  });

  test('two agents cannot guard one server', async () => {
    const agent = await begin(3_000);
    const { term, session } = lead;
    const second = await sandbox.spawn({
      name: 'second',
      command: process.execPath,
      args: [
        standIn.entry,
        JSON.stringify({
          settings: settingsOf(server, consul, lead),
          program: program.entry,
          guard: { term, session, leaseMs: 3_000 },
        }),
      ],
      logFile: `${sandbox.folder}/second.log`,
    });
    agents.push(second);
    await eventually(async () => /another agent, process \d+, guards/.test(await second.logTail()), {
      what: 'the second to be refused',
    });
    expect(isRunning(await lifelineOf(agent, server))).toBe(true);
  });

  test('it is small, and what it knows is not to be seen', async () => {
    const agent = await begin(3_000, { consul: { ...settingsOf(server, consul, lead).consul, token: 'canary-token' } });
    const pid = await lifelineOf(agent, server);
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8');
    const seen = [await read('cmdline'), await read('environ'), JSON.stringify(await guardIn(server))].join();
    expect(seen).toContain('main.js');
    expect(seen).not.toContain('canary');
    const rollup = await read('smaps_rollup');
    const kib = Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]);
    expect(kib).toBeLessThan(40 * 1024);
    console.info(`the lifeline's proportional memory: ${(kib / 1024).toFixed(1)} MiB`);
  });
});
