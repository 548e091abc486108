import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LogicalSlot } from '../../../src/domain/slot.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { emptyLedger, ledgerAfterLook } from '../../../src/view/ledger.ts';
import { eachPostgres, localServer, logicalSlot, never } from './servers.ts';

/**
 * Two slots without the snapshot of their restart position. Both have the same changes to give after a promotion:
 *
 *     running:     nothing       first        second
 *     logged at:   L1            L2           L3
 *     starts at:   quiet         busy
 */
describe.each(await eachPostgres())('slots without a snapshot, PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let above: LocalServer;
  let below: LocalServer;
  let second: pg.Client;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres, settings: { autovacuum: false } });
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary });
    above = localServer(primary);
    below = localServer(standby);
    await primary.query('create table written (entry text)');
    for (const name of ['quiet', 'busy']) {
      await above.createLogicalSlot({ name, database: 'postgres', plugin: 'test_decoding' }, never);
    }
  });
  afterAll(async () => {
    await Promise.all([above.close(), below.close()]);
    await sandbox.close();
  });

  async function rowsFrom(server: PostgresServer, slot: string): Promise<readonly string[]> {
    const changes = await server.query<{ data: string }>(
      'select data from pg_logical_slot_get_changes($1, null, null)',
      [slot],
    );
    return changes.flatMap(({ data }) => /INSERT: entry\[text\]:'(.*)'/.exec(data)?.[1] ?? []);
  }

  /** A transaction that has written a row and goes on. */
  async function begin(row: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: primary.connUrl() });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('begin');
    await client.query('insert into written values ($1)', [row]);
    return client;
  }
  async function commit(client: pg.Client): Promise<void> {
    await client.query('commit');
    await client.end();
  }

  async function slotOn(server: LocalServer, name: string): Promise<LogicalSlot> {
    return logicalSlot((await server.look(never)).slots, name);
  }

  async function forgetSnapshots(server: PostgresServer): Promise<void> {
    const folder = join(server.dataDir, 'pg_logical', 'snapshots');
    for (const name of await readdir(folder)) await rm(join(folder, name));
  }

  test('are told by the WAL: whether a transaction ran where they start', async () => {
    // As they were made, nothing ran.
    expect(await slotOn(above, 'quiet')).toMatchObject({ snapshotOnDisk: false, startsWithoutSnapshot: true });
    const made = (await slotOn(above, 'quiet')).restartLsn ?? 0n;
    for (let round = 0; round < 3; round += 1) {
      await primary.query('checkpoint');
      for (const name of ['quiet', 'busy']) await rowsFrom(primary, name);
    }
    expect((await slotOn(above, 'quiet')).restartLsn).toBeGreaterThan(made);
    expect(await slotOn(above, 'quiet')).toMatchObject({ snapshotOnDisk: true, startsWithoutSnapshot: null });

    const first = await begin('first');
    await primary.query('checkpoint');
    second = await begin('second');
    await commit(first);
    await primary.query('checkpoint');
    expect(await rowsFrom(primary, 'busy')).toEqual(['first']);

    await forgetSnapshots(primary);
    const [quiet, busy] = [await slotOn(above, 'quiet'), await slotOn(above, 'busy')];
    expect(busy.restartLsn).toBeGreaterThan(quiet.restartLsn ?? 0n);
    expect(quiet).toMatchObject({ snapshotOnDisk: false, startsWithoutSnapshot: true, walOnDisk: true });
    expect(busy).toMatchObject({ snapshotOnDisk: false, startsWithoutSnapshot: false, walOnDisk: true });
  });

  test('are taken for decodable on a standby where none ran', async () => {
    await standby.untilReplayed(primary);
    const slots = ['quiet', 'busy'].map((name) => ({ name, database: 'postgres', plugin: 'test_decoding' }));
    const { copied } = await below.copySlots({ primaryUrl: primary.connUrl(), slots, replace: [] }, never);
    expect(copied).toMatchObject([
      { name: 'quiet', snapshot: 'none' },
      { name: 'busy', snapshot: 'none' },
    ]);
    const look = await below.look(never);
    const nobody = (): boolean => false;
    const ledger = ledgerAfterLook(emptyLedger('two', look.systemIdentifier), look, nobody, null, nobody);
    expect(ledger?.slots.get('quiet')?.decodable).toBe(true);
    expect(ledger?.slots.get('busy')?.decodable).toBe(false);
  });

  test('give every change after a promotion if none ran, also from what ran later, and lose some if one did', async () => {
    await primary.query(`insert into written values ('third')`);
    await commit(second);
    await primary.query('checkpoint');
    await primary.query(`insert into written values ('fourth')`);
    await standby.untilReplayed(primary);
    await primary.kill();
    await standby.promote();
    // What the WAL says stays, also where another timeline has a file of it too.
    expect(await slotOn(below, 'quiet')).toMatchObject({ startsWithoutSnapshot: true });
    expect(await rowsFrom(standby, 'busy')).not.toContain('third');
    // The decoding of the other slot has left snapshots on its way.
    await forgetSnapshots(standby);
    expect(await rowsFrom(standby, 'quiet')).toEqual(['first', 'third', 'second', 'fourth']);
  });
});
