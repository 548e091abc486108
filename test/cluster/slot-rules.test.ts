import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memberSlots, useCluster } from '../support/cluster.ts';
import {
  patienceMs,
  slotsOn,
  startedAt,
  untilAgent,
  untilLeads,
  untilNoProblem,
  untilProblem,
  untilReady,
  untilSlots,
  untilVerdict,
} from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { clusterMajors } from '../support/majors.ts';

/** beta may be promoted; gamma is tagged `nofailover`, so it gets no logical slots and is never restarted for one. */
describe.each(clusterMajors())('what is done with slots and what is not, PostgreSQL %i', (major) => {
  const cluster = useCluster({
    major,
    // so that WAL goes where nothing holds it back
    settings: { wal_keep_size: 0, min_wal_size: '32MB', max_wal_size: '48MB' },
    members: [
      { name: 'alpha', upstream: null },
      { name: 'beta', upstream: 'alpha' },
      { name: 'gamma', upstream: 'alpha', tags: { nofailover: true } },
    ],
  });
  const member = (name: string) => cluster().member(name);
  const serverOf = (name: string) => cluster().member(name).server;
  const logical = { type: 'logical', database: 'postgres', plugin: 'test_decoding' };
  const configure = (slots: Record<string, unknown>, failoverSlots: Record<string, unknown> = {}) =>
    cluster().configure({
      loop_wait: 2,
      slots: { ...slots, ...memberSlots(cluster()) },
      failover_slots: { method: 'file_copy', ...failoverSlots },
    });
  let gammaStarted = '';

  async function consume(slot: string): Promise<string> {
    await serverOf('alpha').query(`select pg_logical_emit_message(true, 'x', 'y')`);
    await serverOf('alpha').query(`select pg_logical_slot_get_changes($1, null, null)`, [slot]);
    return (await slotsOn(serverOf('alpha'))).get(slot)?.confirmed ?? '';
  }

  async function untilAt(name: string, slot: string, position: string): Promise<void> {
    await eventually(async () => (await slotsOn(serverOf(name))).get(slot)?.confirmed === position, {
      what: `${slot} on ${name} to be at ${position}`,
      timeoutMs: patienceMs,
    });
  }

  test('where restarts are not allowed, a missing slot is a problem with a name, and nothing is restarted', async () => {
    const before = await startedAt(serverOf('beta'));
    gammaStarted = await startedAt(serverOf('gamma'));
    await serverOf('alpha').query(`select pg_create_logical_replication_slot('foreign', 'test_decoding')`);
    await serverOf('alpha').ensurePhysicalSlot('other');
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await configure({ orders: logical }, { restart: 'never' });
    await untilVerdict(cluster(), 'beta', 'orders', 'not_ready', /not on this standby yet/);
    const { slotkeeper } = await untilProblem(member('beta'), 'restart_never');
    expect(slotkeeper.holds).toContainEqual({
      subject: 'copy of orders',
      why: expect.stringContaining('failover_slots.restart does not allow') as unknown,
    });
    expect(await startedAt(serverOf('beta'))).toBe(before);
  });

  test('where they are, it gets there; a member tagged nofailover is left alone', async () => {
    await configure({ orders: logical });
    await untilReady(cluster(), ['orders'], ['beta'], 'alpha');
    await untilNoProblem(member('beta'), 'restart_never');
    await untilAt('beta', 'orders', await consume('orders'));
    await untilAgent(member('gamma'), 'why it has no slots', ({ slotkeeper }) =>
      slotkeeper.holds.some(({ why }) => why === 'this member is tagged nofailover'),
    );
    expect((await slotsOn(serverOf('gamma'))).has('orders')).toBe(false);
    expect(await startedAt(serverOf('gamma'))).toBe(gammaStarted);
  });

  test('a slot is not moved past what its standby has replayed, and none is copied meanwhile', async () => {
    await serverOf('beta').query('select pg_wal_replay_pause()');
    const at = (await slotsOn(serverOf('beta'))).get('orders')?.confirmed;
    const position = await consume('orders');
    await configure({ orders: logical, second: logical });
    await untilAgent(member('beta'), 'that replay is paused', ({ slotkeeper }) =>
      slotkeeper.holds.some(({ subject, why }) => subject.includes('second') && /replay is paused/.test(why)),
    );
    await untilAgent(member('beta'), 'that it has not replayed that far', ({ slotkeeper }) =>
      slotkeeper.holds.some(({ subject, why }) => subject === 'slot orders' && /not replayed/.test(why)),
    );
    expect((await slotsOn(serverOf('beta'))).get('orders')?.confirmed).toBe(at);
    await serverOf('beta').query('select pg_wal_replay_resume()');
    await untilAt('beta', 'orders', position);
    await untilReady(cluster(), ['orders', 'second'], ['beta'], 'alpha');
  });

  test('a slot whose WAL is gone is lost, and replaced once the consumer has moved on', async () => {
    await configure({ orders: logical, second: logical }, { restart: 'never' });
    for (let segment = 0; segment < 3; segment += 1) {
      await serverOf('alpha').query(`select pg_logical_emit_message(true, 'x', 'y'), pg_switch_wal()`);
      await consume('orders');
      await serverOf('alpha').query('checkpoint');
    }
    await serverOf('beta').untilReplayed(serverOf('alpha'));
    // second has not moved: it needs the oldest of them
    const restart = (await slotsOn(serverOf('beta'))).get('second')?.restart ?? '';
    const [row] = await serverOf('alpha').query<{ file: string }>('select pg_walfile_name($1) as file', [restart]);
    const wal = join(serverOf('beta').dataDir, 'pg_wal');
    expect(await readdir(wal)).toContain(row?.file);
    await rm(join(wal, row?.file ?? ''));
    await untilVerdict(cluster(), 'beta', 'second', 'lost', /WAL at its restart position/);
    expect((await cluster().read()).members.get('beta')?.value?.slots.get('orders')?.verdict.kind).not.toBe('lost');

    await configure({ orders: logical, second: logical });
    await eventually(
      async () => {
        // as often as needed: restart_lsn moves when a snapshot was logged since
        await serverOf('alpha').query('checkpoint');
        await consume('second');
        const { value } = (await cluster().read()).members.get('beta') ?? {};
        return value?.slots.get('second')?.verdict.kind === 'ready';
      },
      { what: 'the slot to be ready again', timeoutMs: patienceMs, intervalMs: 500 },
    );
  });

  test('what is taken out of the configuration goes; what others made on the primary stays', async () => {
    await configure({});
    await untilSlots(serverOf('alpha'), { has: ['foreign', 'other'], lacks: ['orders', 'second'] });
    await untilSlots(serverOf('beta'), { lacks: ['orders', 'second', 'foreign', 'other'] });
    expect(await startedAt(serverOf('gamma'))).toBe(gammaStarted);
    await eventually(
      async () => {
        const [row] = await serverOf('beta').query<{ on: string }>(
          `select current_setting('hot_standby_feedback') as "on"`,
        );
        return row?.on === 'off';
      },
      { what: 'hot_standby_feedback to be off again' },
    );
  });
});
