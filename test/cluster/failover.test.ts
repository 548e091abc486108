import { beforeAll, describe, expect, test } from 'vitest';
import { Consumer } from '../../src/demo/consumer.ts';
import { Writer } from '../../src/demo/writer.ts';
import type { RejoinMethod } from '../../src/sandbox/postgres-options.ts';
import { cascade, memberSlots, useCluster } from '../support/cluster.ts';
import {
  patienceMs,
  slotsOn,
  untilLeads,
  untilReady,
  untilSlots,
  untilSynchronous,
  untilVerdict,
} from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { clusterMajors } from '../support/majors.ts';

const rowsPerSecond = 50;
/** How many rows may come twice at a failover: what the consumer confirmed just before, and nobody had heard of yet. */
const twiceAtMost = 3 * rowsPerSecond;

/**
 * The main job, three times in a row, since repeated failovers are where things break: numbered rows are written all the
 * time, a consumer follows the leader key in Consul, and every acknowledged row arrives.
 */
describe.each(clusterMajors())('failover, PostgreSQL %i', (major) => {
  const cluster = useCluster({ members: cascade, major });
  const slot = { type: 'logical', database: 'postgres', plugin: 'pgoutput' };
  let consumer: Consumer;
  let writer: Writer;
  const config = (more: Record<string, unknown> = {}): unknown => ({
    loop_wait: 2,
    slots: { orders: slot, ...memberSlots(cluster()) },
    ...more,
  });
  const serverOf = (name: string) => cluster().member(name).server;

  beforeAll(async () => {
    const alpha = serverOf('alpha');
    await alpha.query('create table orders (id bigint primary key)');
    await alpha.query('create publication orders for table orders');
    const { primaryUrl } = cluster();
    consumer = new Consumer({ slot: 'orders', publication: 'orders', findPrimary: primaryUrl });
    writer = new Writer({ findPrimary: primaryUrl, table: 'orders', rowsPerSecond });
    return () => Promise.all([writer.stop(), consumer.stop()]);
  });

  /** What was acknowledged is on these from now on: that is replication's part, not the slots'. */
  async function replicateTo(primary: string, ...standbys: readonly string[]): Promise<void> {
    await serverOf(primary).alterSystem({
      synchronous_standby_names: `FIRST ${standbys.length} (${standbys.join(', ')})`,
    });
    await untilSynchronous(serverOf(primary), standbys);
    await untilMoreRows(rowsPerSecond);
  }

  async function untilMoreRows(count: number): Promise<void> {
    const wanted = writer.acknowledged.size + count;
    await eventually(() => writer.acknowledged.size >= wanted, { what: `${count} more rows`, timeoutMs: patienceMs });
  }

  const missing = (): number[] => {
    const arrived = consumer.rows;
    return [...writer.acknowledged.keys()].filter((row) => !arrived.has(row));
  };

  /** Every row that is acknowledged by now arrives. */
  async function untilNothingIsMissing(): Promise<void> {
    const acknowledged = [...writer.acknowledged.keys()];
    await eventually(
      () => {
        const arrived = consumer.rows;
        const lost = acknowledged.filter((row) => !arrived.has(row));
        if (lost.length === 0) return true;
        throw new Error(`${lost.length} of ${acknowledged.length} are missing, first ${lost.slice(0, 10).join(', ')}`);
      },
      { what: 'every acknowledged row to arrive', timeoutMs: 30_000 },
    );
  }

  test('a slot that is declared in Consul gets ready on the standby and on the cascade, and moves along', async () => {
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await cluster().configure(config());
    await untilSlots(serverOf('alpha'), { has: ['orders'] });
    consumer.start();
    writer.start();
    await untilReady(cluster(), ['orders'], ['beta', 'gamma'], 'alpha');
    const before = new Map([
      ['beta', await slotsOn(serverOf('beta'))],
      ['gamma', await slotsOn(serverOf('gamma'))],
    ]);
    await untilMoreRows(rowsPerSecond);
    for (const [name, slots] of before) {
      await eventually(
        async () => (await slotsOn(serverOf(name))).get('orders')?.confirmed !== slots.get('orders')?.confirmed,
        { what: `the slot on ${name} to move` },
      );
    }
  });

  test('the primary is killed: the consumer goes on from the slot on the promoted standby', async () => {
    await replicateTo('alpha', 'beta');
    await serverOf('alpha').kill();
    await serverOf('beta').promote();
    await untilLeads(cluster(), 'beta');
    await untilMoreRows(rowsPerSecond);
    await untilNothingIsMissing();
    await untilReady(cluster(), ['orders'], ['gamma'], 'beta');
    expect(consumer.duplicated).toBeLessThan(twiceAtMost);
    const history = (await cluster().read()).slotHistory?.value ?? [];
    expect(history).toMatchObject([{ leader: 'beta', gaps: [] }]);
    expect(history[0]?.slots.find((each) => each.slot === 'orders')?.verdict).toEqual({ kind: 'ready' });
  });

  test('the old primary comes back, gets the slot again, and takes over once more', async () => {
    const method: RejoinMethod = serverOf('alpha').canRewind ? 'rewind' : 'backup';
    await serverOf('alpha').rejoin(serverOf('beta'), method);
    await untilReady(cluster(), ['orders'], ['alpha', 'gamma'], 'beta');

    // slots of others, on the server that will come back as a standby with them
    await cluster().configure(
      config({ ignore_slots: [{ name: 'kept' }], failover_slots: { drop_extra_slots: false } }),
    );
    for (const name of ['kept', 'foreign']) {
      await serverOf('beta').query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [name]);
    }
    await replicateTo('beta', 'alpha');
    expect([...(await slotsOn(serverOf('beta'))).keys()]).toEqual(expect.arrayContaining(['kept', 'foreign']));

    // Stopped, not killed: it has nothing that the others lack, and comes back as it is.
    await serverOf('beta').stop();
    await serverOf('alpha').alterSystem({ synchronous_standby_names: '' });
    await serverOf('alpha').promote();
    await untilLeads(cluster(), 'alpha');
    await serverOf('gamma').follow(serverOf('alpha'));
    await serverOf('beta').rejoin(serverOf('alpha'), 'plain');
    await untilMoreRows(rowsPerSecond);
    await untilNothingIsMissing();
    await untilReady(cluster(), ['orders'], ['beta', 'gamma'], 'alpha');
    expect(consumer.duplicated).toBeLessThan(2 * twiceAtMost);
  });

  test('what a rejoined primary has left over is dropped by the rules, and ignored slots are not', async () => {
    await untilVerdict(cluster(), 'beta', 'foreign', 'orphan');
    expect((await slotsOn(serverOf('beta'))).has('foreign')).toBe(true);
    await cluster().configure(config({ ignore_slots: [{ name: 'kept' }] }));
    await untilSlots(serverOf('beta'), { has: ['kept', 'orders'], lacks: ['foreign'] });
  });

  test('the former cascade takes over, and nothing is lost there either', async () => {
    // behind gamma from now on, so that it can follow it wherever that one's timeline begins
    await serverOf('beta').follow(serverOf('gamma'));
    await untilReady(cluster(), ['orders'], ['beta', 'gamma'], 'alpha');
    await replicateTo('alpha', 'gamma');
    await serverOf('alpha').kill();
    await serverOf('gamma').promote();
    await untilLeads(cluster(), 'gamma');
    await untilMoreRows(rowsPerSecond);
    await writer.stop();
    await untilNothingIsMissing();
    expect(missing()).toEqual([]);
    expect(consumer.duplicated).toBeLessThan(3 * twiceAtMost);
    await untilReady(cluster(), ['orders'], ['beta'], 'gamma');
    const history = (await cluster().read()).history?.value ?? [];
    expect(history.map(({ timeline, newLeader }) => [timeline, newLeader])).toEqual([
      [1, 'beta'],
      [2, 'alpha'],
      [3, 'gamma'],
    ]);
  });

  test('a slot that is taken out of the configuration goes away everywhere', async () => {
    await consumer.stop();
    await cluster().configure({ loop_wait: 2, slots: memberSlots(cluster()), ignore_slots: [{ name: 'kept' }] });
    await untilSlots(serverOf('gamma'), { lacks: ['orders'] });
    await untilSlots(serverOf('beta'), { lacks: ['orders'], has: ['kept'] });
  });
});
