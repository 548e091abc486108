import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eachPostgres, localServer, logicalSlot, never } from './servers.ts';

describe.each(await eachPostgres())('the identity of a slot, PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let server: LocalServer;

  const identity = async (name = 's'): Promise<string | null> =>
    logicalSlot((await server.look(never)).slots, name).identity;
  const create = (name: string): Promise<unknown> =>
    primary.query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [name]);

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    server = localServer(primary);
    await create('s');
  });
  afterAll(async () => {
    await server.close();
    await sandbox.close();
  });

  test('is another one for each slot', async () => {
    await create('other');
    expect(await identity()).toMatch(/^\d+(-\d+)?$/);
    expect(await identity('other')).not.toBe(await identity());
  });

  test('stays while the slot moves and is saved, and over restarts', async () => {
    const before = await identity();
    const unchanged = async (): Promise<void> => expect(await identity()).toBe(before);
    await primary.query('create table t (i int)');
    await primary.query(`select pg_replication_slot_advance('s', pg_current_wal_lsn())`);
    await primary.query('checkpoint');
    await unchanged();
    await primary.query(`select * from pg_logical_slot_get_changes('s', null, null)`);
    await primary.query('checkpoint');
    await unchanged();
    await primary.stop();
    await primary.start();
    await unchanged();
    await primary.kill();
    await primary.start();
    await unchanged();
  });

  test('changes when the slot is dropped and made again at once, however often', async () => {
    const seen = new Set<string | null>([await identity()]);
    for (let round = 0; round < 5; round += 1) {
      // One connection and no pause: the number of the directory's inode is free again for the next.
      await primary.withClient(async (client) => {
        await client.query(`select pg_drop_replication_slot('s')`);
        await client.query(`select pg_create_logical_replication_slot('s', 'test_decoding')`);
      });
      const now = await identity();
      expect(now).not.toBeNull();
      expect(seen).not.toContain(now);
      seen.add(now);
    }
  });

  test('never goes with the positions of the slot before, made anew while looks go on', async () => {
    const positions = new Map<string, bigint>();
    const stop = new AbortController();
    const churn = primary.withClient(async (client) => {
      while (!stop.signal.aborted) {
        await client.query(`select pg_drop_replication_slot('s')`);
        await client.query(`select pg_create_logical_replication_slot('s', 'test_decoding')`);
        // Each stays for about as long as two looks take, so that some are seen whole and some go in between.
        await delay(8);
      }
    });
    try {
      while (positions.size < 20) {
        const slot = (await server.look(never)).slots.find(({ name }) => name === 's');
        if (slot?.type !== 'logical' || slot.confirmedFlushLsn === null || slot.identity === null) continue;
        // Each stays where it was made until it is dropped, and no two are made at the same place.
        expect(positions.get(slot.identity) ?? slot.confirmedFlushLsn).toBe(slot.confirmedFlushLsn);
        positions.set(slot.identity, slot.confirmedFlushLsn);
      }
    } finally {
      stop.abort();
      await churn;
    }
    expect(new Set(positions.values()).size).toBe(positions.size);
  });
});
