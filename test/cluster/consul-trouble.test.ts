import { beforeAll, describe, expect, test } from 'vitest';
import { leaderName } from '../../src/domain/cluster.ts';
import { useCluster, memberSlots } from '../support/cluster.ts';
import {
  askAgent,
  patienceMs,
  slotsOn,
  startedAt,
  untilAgent,
  untilLeads,
  untilReady,
} from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { clusterMajors } from '../support/majors.ts';

/**
 * Whatever happens to Consul or to an agent, PostgreSQL goes on as it is, no slot is dropped, and when it is over
 * positions move again.
 */
describe.each(clusterMajors())('trouble with Consul, PostgreSQL %i', (major) => {
  const cluster = useCluster({
    major,
    members: [
      { name: 'alpha', upstream: null },
      { name: 'beta', upstream: 'alpha' },
    ],
  });
  const member = (name: string) => cluster().member(name);
  const config = (): unknown => ({
    slots: { orders: { type: 'logical', database: 'postgres', plugin: 'test_decoding' }, ...memberSlots(cluster()) },
  });
  const started = new Map<string, string>();

  beforeAll(async () => {
    await member('alpha').server.query('create table written (id bigint primary key)');
  });

  /** Consumes a row on the primary, and waits until the slot on the standby is where the one on the primary is then. */
  async function untilPositionsGoOn(): Promise<void> {
    const alpha = member('alpha').server;
    await alpha.query('insert into written select coalesce(max(id), 0) + 1 from written');
    const changes = await alpha.query<{ data: string }>(
      `select data from pg_logical_slot_get_changes('orders', null, null)`,
    );
    expect(changes.filter(({ data }) => data.includes('INSERT'))).toHaveLength(1);
    const wanted = (await slotsOn(alpha)).get('orders')?.confirmed;
    await eventually(async () => (await slotsOn(member('beta').server)).get('orders')?.confirmed === wanted, {
      what: `the slot on beta to be at ${wanted ?? '?'}`,
      timeoutMs: patienceMs,
    });
  }

  async function expectUntouched(): Promise<void> {
    for (const { name, server } of cluster().members.values()) {
      expect(await startedAt(server), `${name} was restarted`).toBe(started.get(name));
    }
  }

  test('neither Consul nor PostgreSQL is there when the agents start: they say so, wait, and start nothing', async () => {
    const { consul } = cluster();
    await consul.stop();
    await member('beta').server.stop();
    await cluster().startAgents();
    await untilAgent(member('beta'), 'that nothing answers', ({ slotkeeper, state }) => {
      return slotkeeper.consul.state === 'broken' && slotkeeper.postgresql.state === 'broken' && state === 'stopped';
    });
    await untilAgent(member('alpha'), 'that Consul does not answer', ({ slotkeeper }) => {
      return slotkeeper.consul.state === 'broken' && slotkeeper.postgresql.state === 'good' && !slotkeeper.session.held;
    });
    expect(await member('beta').server.postmasterPid()).toBeUndefined();
    expect(await member('beta').agent.log()).toContain('consul_unreachable');

    await consul.start();
    await untilLeads(cluster(), 'alpha');
    await cluster().configure(config());
    // beta's agent sees it start, from its first moment on
    await member('beta').server.start();
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    for (const { name, server } of cluster().members.values()) started.set(name, await startedAt(server));
    await untilPositionsGoOn();
  });

  test('sessions that are destroyed by hand are replaced', async () => {
    const before = await cluster().read();
    const sessions = [...before.members.values()].map(({ session }) => session ?? '');
    for (const session of sessions) await cluster().consul.request('PUT', `/v1/session/destroy/${session}`);
    await eventually(
      async () => {
        const keys = await cluster().read();
        const now = [...keys.members.values()].map(({ session }) => session);
        return now.length === 2 && !now.some((session) => session === null || sessions.includes(session));
      },
      { what: 'new sessions', timeoutMs: patienceMs },
    );
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    await untilPositionsGoOn();
    await expectUntouched();
  });

  test.each([
    ['with', true],
    ['without', false],
  ] as const)('Consul is killed and comes back %s its data', async (_how, keepData) => {
    const { consul } = cluster();
    await consul.kill();
    for (const { name } of cluster().members.values()) {
      const { slotkeeper } = await untilAgent(
        member(name),
        'that Consul is gone',
        (it) => it.slotkeeper.consul.state === 'broken',
      );
      expect(slotkeeper.consul.why).not.toBeNull();
    }
    // what was read last is still told, at once
    expect(await askAgent(member('beta'), '/slots')).toMatchObject({ consul: { state: 'broken' } });
    if (!keepData) await consul.wipe();
    await consul.start();
    await untilLeads(cluster(), 'alpha');
    // Nothing is declared and nothing is followed now: that is no reason to drop what is there.
    expect((await slotsOn(member('alpha').server)).has('orders')).toBe(true);
    expect((await slotsOn(member('beta').server)).has('orders')).toBe(true);
    if (!keepData) await cluster().configure(config());
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    await untilPositionsGoOn();
    await expectUntouched();
  });

  test('an agent that is told to stop hands over at once and leaves PostgreSQL as it is', async () => {
    const { agent } = member('alpha');
    const { consul } = cluster();
    const services = async () => JSON.parse(await consul.request('GET', '/v1/catalog/service/test')) as unknown[];
    await eventually(async () => (await services()).length === 2, { what: 'both services', timeoutMs: patienceMs });
    agent.process().signal('SIGTERM');
    expect(await agent.process().exited).toEqual({ code: 0, signal: null });
    const keys = await cluster().read();
    expect(leaderName(keys)).toBeNull();
    expect(keys.leader).toBeNull();
    expect([...keys.members.keys()]).toEqual(['beta']);
    expect(await services()).toHaveLength(1);
    expect((await slotsOn(member('alpha').server)).has('orders')).toBe(true);
    await expectUntouched();

    await agent.start();
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    await untilPositionsGoOn();
    agent.process().signal('SIGINT');
    expect(await agent.process().exited).toEqual({ code: 0, signal: null });
    expect((await cluster().read()).leader).toBeNull();
    await expectUntouched();
  });
});
