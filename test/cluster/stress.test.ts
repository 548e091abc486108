import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { Consumer } from '../../src/demo/consumer.ts';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { memberSlots, twoStandbys, useCluster } from '../support/cluster.ts';
import { patienceMs, untilLeads, untilReady, untilSlots, untilSynchronous } from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { clusterMajors } from '../support/majors.ts';
import { overlappingTransactions, type Transactions } from '../support/transactions.ts';

/**
 * FACTS 2: under ordinary load a slot copied without the snapshot of its restart position loses what was not read yet,
 * silently. Here eight writers go on while standbys are restarted for their copies; the consumer of `moving` reads all
 * the time, the one of `idle` has left a backlog; then the primary is killed.
 */
describe.each(clusterMajors())('slots copied under overlapping transactions, PostgreSQL %i', (major) => {
  const cluster = useCluster({ members: twoStandbys, major });
  const serverOf = (name: string) => cluster().member(name).server;
  let transactions: Transactions;
  let readsFrom: PostgresServer;
  let moving: Consumer;
  const received = { idle: new Set<number>() };

  beforeAll(async () => {
    readsFrom = serverOf('alpha');
    await readsFrom.query('create table written (id bigint primary key)');
    await readsFrom.query('create publication written for table written');
    moving = consumerOf('moving', () => readsFrom);
    const findPrimary = () => Promise.resolve(serverOf('alpha').connUrl());
    transactions = overlappingTransactions({ findPrimary, table: 'written', writers: 8 });
    return () => moving.stop();
  });

  function consumerOf(slot: string, from: () => PostgresServer): Consumer {
    return new Consumer({ slot, publication: 'written', findPrimary: () => Promise.resolve(from().connUrl()) });
  }

  /** The rows that the slot gives on this server, read until nothing that was acknowledged is missing any more, or for long. */
  async function readAll(
    slot: string,
    server: PostgresServer,
    before: ReadonlySet<number>,
  ): Promise<readonly number[]> {
    const consumer = consumerOf(slot, () => server);
    consumer.start();
    const missing = (): number[] => {
      const { rows } = consumer;
      return [...transactions.acknowledged].filter((row) => !before.has(row) && !rows.has(row));
    };
    // A row written now comes after everything that the slot has to give.
    await eventually(() => consumer.streaming !== null, { what: `the consumer of ${slot} to stream` });
    const last = -Date.now();
    await server.query('insert into written values ($1)', [last]);
    await eventually(() => consumer.rows.has(last), {
      what: `the last row to arrive from ${slot}`,
      timeoutMs: patienceMs,
    });
    await consumer.stop();
    return missing();
  }

  test('both slots get onto both standbys while the writers go on', async () => {
    await cluster().startAgents('alpha');
    await untilLeads(cluster(), 'alpha');
    const slot = { type: 'logical', database: 'postgres', plugin: 'pgoutput' };
    await cluster().configure({
      slots: { moving: slot, idle: slot, ...memberSlots(cluster()) },
      failover_slots: { method: 'file_copy' },
    });
    await untilSlots(serverOf('alpha'), { has: ['moving', 'idle'] });
    // what was written before there was a slot is nobody's loss
    transactions.start();
    onTestFailed(() => transactions.stop());
    moving.start();

    // Read for a while, so that the restart position is one at which transactions were running; then no more.
    const idle = consumerOf('idle', () => serverOf('alpha'));
    idle.start();
    const restarts = new Set<string>();
    await eventually(
      async () => {
        await serverOf('alpha').query('checkpoint');
        await transactions.untilMore(50);
        const [row] = await serverOf('alpha').query<{ at: string }>(restartOf('idle'));
        // Not one checkpoint more: without the snapshot, decoding would be consistent from the next but one on.
        return restarts.add(row?.at ?? '').size >= 3;
      },
      { what: 'the restart position to move', timeoutMs: patienceMs },
    );
    await idle.stop();
    received.idle = new Set(idle.rows);

    // A commit waits for one standby: the other may be down for its copy, and the writers go on.
    await serverOf('alpha').alterSystem({ synchronous_standby_names: 'ANY 1 (beta, gamma)' });
    await cluster().startAgents('beta', 'gamma');
    await untilReady(cluster(), ['moving', 'idle'], ['beta', 'gamma'], 'alpha');
  });

  test('the primary is killed: nothing is lost, neither of what was being read nor of the backlog', async () => {
    await serverOf('alpha').alterSystem({ synchronous_standby_names: 'FIRST 2 (beta, gamma)' });
    await untilSynchronous(serverOf('alpha'), ['beta', 'gamma']);
    await transactions.untilMore(200);
    await cluster().member('gamma').agent.stop();
    await serverOf('alpha').kill();
    await transactions.stop();
    await serverOf('beta').promote();
    readsFrom = serverOf('beta');
    await untilLeads(cluster(), 'beta');

    expect(transactions.acknowledged.size - received.idle.size).toBeGreaterThan(200);
    expect(await readAll('idle', serverOf('beta'), received.idle)).toEqual([]);
    await eventually(
      () => {
        const { rows } = moving;
        const missing = [...transactions.acknowledged].filter((row) => !rows.has(row));
        if (missing.length === 0) return true;
        throw new Error(`${missing.length} rows are missing, first ${missing.slice(0, 10).join(', ')}`);
      },
      { what: 'every acknowledged row to arrive from the slot that was read all the time' },
    );
  });

  test('without the snapshot, as a copy of the state file alone would have left it, rows of the backlog are lost', async () => {
    const gamma = serverOf('gamma');
    const [row] = await gamma.query<{ at: string }>(restartOf('idle'));
    const snapshots = join(gamma.dataDir, 'pg_logical', 'snapshots');
    expect(await readdir(snapshots)).toContain(`${(row?.at ?? '').replace('/', '-')}.snap`);
    for (const name of await readdir(snapshots)) await rm(join(snapshots, name));
    await gamma.promote();
    expect((await readAll('idle', gamma, received.idle)).length).toBeGreaterThan(0);
  });
});

function restartOf(slot: string): string {
  return `select restart_lsn::text as at from pg_replication_slots where slot_name = '${slot}'`;
}
