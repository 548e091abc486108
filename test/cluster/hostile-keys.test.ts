import { describe, expect, test } from 'vitest';
import { memberKey } from '../../src/consul/keys.ts';
import { leaderName } from '../../src/domain/cluster.ts';
import { listedProblems, memberSlots, useCluster } from '../support/cluster.ts';
import {
  askAgent,
  patienceMs,
  slotsOn,
  startedAt,
  untilLeads,
  untilNoProblem,
  untilProblem,
  untilReady,
  untilSlots,
  verdictIn,
} from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { clusterMajors } from '../support/majors.ts';

const huge = JSON.stringify('x'.repeat(400 * 1024));
const deep = '['.repeat(50_000) + ']'.repeat(50_000);

/** A value for any key, by what is wrong with it. */
const hostile: Readonly<Record<string, string>> = {
  'not JSON': '{"ttl": 30,',
  'nothing at all': '',
  'JSON of another kind': '[1, null, {"slots": 7}]',
  'wrong types': '{"optime": "x", "slots": [1], "conn_url": 5, "ttl": "soon", "retain_slots": {}, "xlog_location": []}',
  'numbers out of every range': '{"optime": 1e400, "slots": {"orders": -1, "x": 99999999999999999999999}, "ttl": -5}',
  'names with a meaning of their own': '{"__proto__": {"optime": 1}, "slots": {"__proto__": 1, "constructor": 2}}',
  'something huge': huge,
  'something deep': deep,
};

/** As Patroni 4 writes it, and one member's agent may be a Patroni. */
const patroniMember = JSON.stringify({
  conn_url: 'postgres://10.0.0.9:5432/postgres',
  api_url: 'http://10.0.0.9:8008/patroni',
  state: 'running',
  role: 'replica',
  version: '4.1.4',
  xlog_location: 67108864,
  replication_state: 'streaming',
  timeline: 1,
  receive_lsn: 67108864,
  replay_lsn: 67108864,
});

describe.each(clusterMajors())('what others put under the prefix, PostgreSQL %i', (major) => {
  const cluster = useCluster({
    major,
    members: [
      { name: 'alpha', upstream: null },
      { name: 'beta', upstream: 'alpha' },
    ],
  });
  const alpha = () => cluster().member('alpha');
  const beta = () => cluster().member('beta');
  const logical = { type: 'logical', database: 'postgres', plugin: 'test_decoding' };
  const slots = (more: Record<string, unknown> = {}) => ({ orders: logical, ...memberSlots(cluster()), ...more });
  const put = (key: string, value: string) => cluster().consul.request('PUT', `/v1/kv/${key}`, value);

  async function untilPositionsGoOn(): Promise<void> {
    await alpha().server.query(`select pg_logical_emit_message(true, 'x', 'y')`);
    await alpha().server.query(`select pg_logical_slot_get_changes('orders', null, null)`);
    const wanted = (await slotsOn(alpha().server)).get('orders')?.confirmed;
    await eventually(async () => (await slotsOn(beta().server)).get('orders')?.confirmed === wanted, {
      what: `the slot on beta to be at ${wanted ?? '?'}`,
      timeoutMs: patienceMs,
    });
  }

  test('a cluster at work', async () => {
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await cluster().configure({ slots: slots() });
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
  });

  test.each(Object.entries(hostile))('%s, in every key at once: the agents say so and go on', async (_title, value) => {
    const { keys } = cluster();
    const processes = [alpha().agent.process(), beta().agent.process()];
    const started = await startedAt(beta().server);
    await put(keys.config, value);
    await untilProblem(beta(), 'config_invalid');
    for (const key of [keys.status, keys.history, keys.slotHistory, keys.leader, keys.initialize, keys.optimeLeader]) {
      await put(key, value);
    }
    await put(`${keys.membersPrefix}stranger`, value);
    await put(memberKey(keys, 'beta'), value);
    await put(keys.restartTurn, value);
    await put(`${keys.prefix}failover`, value);
    await untilProblem(beta(), 'key_unreadable', /members\/stranger/);
    expect((await listedProblems(beta())).join('\n')).toMatch(/stranger/);

    // what is new all the time they put right themselves, and the last good configuration stays in force meanwhile
    await untilLeads(cluster(), 'alpha');
    await untilPositionsGoOn();
    // what is a record, or another's, is left to whoever put it there
    for (const key of [keys.history, keys.slotHistory, keys.initialize, `${keys.membersPrefix}stranger`]) {
      await cluster().consul.request('DELETE', `/v1/kv/${key}`);
    }
    await cluster().configure({ slots: slots() });
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    await untilNoProblem(beta(), 'config_invalid');
    await untilNoProblem(beta(), 'key_unreadable');
    expect(processes.every((agent) => agent.running)).toBe(true);
    expect(await startedAt(beta().server)).toBe(started);
  });

  test('a member that a Patroni speaks for is shown, and disturbs nobody', async () => {
    await put(`${cluster().keys.membersPrefix}delta`, patroniMember);
    await eventually(
      async () => {
        const { members } = await askAgent<{ members: { name: string; state: string }[] }>(beta(), '/cluster');
        return members.find(({ name }) => name === 'delta')?.state === 'streaming';
      },
      { what: 'delta to be shown' },
    );
    await untilPositionsGoOn();
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    await cluster().consul.request('DELETE', `/v1/kv/${cluster().keys.membersPrefix}delta`);
  });

  const wrong: Readonly<Record<string, { value: unknown; says: RegExp }>> = {
    'a slot name that PostgreSQL would not take': { value: { slots: { 'Bad-Name': logical } }, says: /Bad-Name/ },
    'a logical slot without a plugin': {
      value: { slots: { second: { type: 'logical', database: 'postgres' } } },
      says: /second\.plugin/,
    },
    'a type that is none': { value: { slots: { second: { ...logical, type: 'magical' } } }, says: /magical/ },
  };

  test.each(Object.entries(wrong))('a configuration with %s changes nothing', async (_title, { value, says }) => {
    const before = await slotsOn(alpha().server);
    await cluster().configure(value);
    for (const member of [alpha(), beta()]) {
      await untilProblem(member, 'config_invalid', says);
      expect(await member.agent.log()).toMatch(says);
    }
    expect((await listedProblems(beta())).join('\n')).toMatch(says);
    expect([...(await slotsOn(alpha().server)).keys()]).toEqual([...before.keys()]);
    await untilPositionsGoOn();
  });

  test('a slot that PostgreSQL cannot make is named with the reason', async () => {
    await cluster().configure({
      slots: slots({
        lost_db: { ...logical, database: 'nowhere' },
        lost_plugin: { ...logical, plugin: 'no_such_plugin' },
      }),
    });
    await untilProblem(alpha(), 'slot_database_missing', /nowhere/);
    await untilProblem(alpha(), 'slot_creation_failed', /no_such_plugin/);
    await untilSlots(alpha().server, { has: ['orders'], lacks: ['lost_db', 'lost_plugin'] });
  });

  test('right again, it acts within a second', async () => {
    const tookMs: number[] = [];
    for (const name of ['quick1', 'quick2', 'quick3']) {
      const writtenAtMs = performance.now();
      await cluster().configure({ failover_slots: { restart: 'never' }, slots: slots({ [name]: logical }) });
      await eventually(async () => (await slotsOn(alpha().server)).has(name), {
        what: `${name} to be there`,
        intervalMs: 5,
      });
      tookMs.push(performance.now() - writtenAtMs);
    }
    // one of three, since a machine may be busy for a moment
    expect(Math.min(...tookMs)).toBeLessThan(1_000);
    // nothing asks for them any more, the filter neither
    await cluster().configure({ slots: slots(), failover_slots: { synchronize_slot_names: '' } });
    await untilSlots(alpha().server, { lacks: ['quick1', 'quick2', 'quick3'] });
  });

  test('two servers say that they are the primary: nobody publishes, everybody says so, and it heals', async () => {
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    await beta().server.promote();
    for (const member of [alpha(), beta()]) {
      await untilProblem(member, 'two_primaries', /alpha, beta/);
      expect(await member.agent.log()).toContain('two_primaries');
    }
    expect((await listedProblems(alpha())).join('\n')).toMatch(/more than one member .* alpha, beta/);
    const before = await cluster().read();
    await alpha().server.query(`select pg_logical_emit_message(true, 'x', 'y')`);
    await alpha().server.query(`select pg_logical_slot_get_changes('orders', null, null)`);
    const moved = (await slotsOn(alpha().server)).get('orders')?.confirmed;
    // It is known to alpha's agent, which would publish it in the same turn.
    await eventually(
      async () => {
        const told = await askAgent<{ slots: { slot: string; members: { member: string; position: string }[] }[] }>(
          alpha(),
          '/slots',
        );
        const rows = told.slots.find(({ slot }) => slot === 'orders')?.members;
        return rows?.find(({ member }) => member === 'alpha')?.position === moved;
      },
      { what: `alpha's agent to see ${moved ?? '?'}` },
    );
    const after = await cluster().read();
    expect(after.status?.modifyIndex).toBe(before.status?.modifyIndex);
    expect(leaderName(after)).toBe(leaderName(before));
    expect((await slotsOn(beta().server)).has('orders')).toBe(true);

    await beta().server.stop();
    await untilNoProblem(alpha(), 'two_primaries');
    await eventually(async () => (await cluster().read()).status?.modifyIndex !== before.status?.modifyIndex, {
      what: 'positions to be published again',
      timeoutMs: patienceMs,
    });
    await beta().server.rejoin(alpha().server, beta().server.canRewind ? 'rewind' : 'backup');
    await eventually(
      async () => {
        // a standby that was copied anew has the WAL only from then on: the slot has to have moved
        await alpha().server.query('checkpoint');
        await alpha().server.query(`select pg_logical_slot_get_changes('orders', null, null)`);
        return verdictIn(await cluster().read(), 'beta', 'orders')?.kind === 'ready';
      },
      { what: 'the slot to be on beta again', timeoutMs: patienceMs, intervalMs: 500 },
    );
    await untilPositionsGoOn();
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
  });
});
