import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseLsn } from '../../../src/domain/lsn.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { emptyLedger, ledgerAfterLook } from '../../../src/view/ledger.ts';
import { nativeSince } from '../../../src/view/method.ts';
import { eventually } from '../../support/eventually.ts';
import { eachPostgresSince, localServer, logicalSlot, lookUntil, never } from './servers.ts';

/**
 * PostgreSQL makes a synchronised slot persistent when decoding has become consistent anywhere before its position, also by
 * the snapshot that the decoding of another slot has left on the standby. A transaction that began between the slot's start
 * and that snapshot is then decoded in part. The simulator found it; here it is done to real servers, step by step:
 *
 *     running:     x1     x2     x3     x3 and the victim     the victim …
 *     logged at:   L1     L2     L3     L4                    L5 …
 *
 * A template that is made meanwhile can decode from L3 on and leaves a snapshot at L4, none at L3. The slot starts at L3.
 */
describe.each(await eachPostgresSince(nativeSince))(
  'a synchronised slot whose snapshot lies behind its start, PostgreSQL $version',
  (postgres) => {
    let sandbox: Sandbox;
    let primary: PostgresServer;
    let standby: PostgresServer;
    let above: LocalServer;
    let below: LocalServer;

    beforeAll(async () => {
      sandbox = await Sandbox.open();
      primary = await startPrimary(sandbox, { name: 'one', postgres });
      const settings = { hot_standby_feedback: true };
      standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary, settings });
      above = localServer(primary);
      below = localServer(standby);
      await below.setUpstreamDatabase('postgres', never);
      await primary.query('create table written (entry text)');
    });
    afterAll(async () => {
      await Promise.all([above.close(), below.close()]);
      await sandbox.close();
    });

    const plugin = 'test_decoding';
    const database = 'postgres';

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
    /** Until the record is replayed on the standby: nothing else flushes it. */
    async function logRunning(): Promise<void> {
      const [logged] = await primary.query<{ lsn: string }>('select pg_log_standby_snapshot()::text as lsn');
      const end = parseLsn(logged?.lsn ?? '');
      if (end === undefined) throw new Error('PostgreSQL answered without a position');
      await lookUntil(below, ({ replayedLsn }) => replayedLsn !== null && replayedLsn >= end);
    }
    async function rowsFrom(server: PostgresServer): Promise<readonly string[]> {
      const changes = await server.query<{ data: string }>(
        `select data from pg_logical_slot_get_changes('s', null, null)`,
      );
      return changes.flatMap(({ data }) => /INSERT: entry\[text\]:'(.*)'/.exec(data)?.[1] ?? []);
    }

    test('is persistent and loses rows, and is not taken for decodable', async () => {
      await above.createLogicalSlot({ name: 's', database, plugin, failover: true }, never);
      await logRunning();
      const making = below.createLogicalSlot({ name: 'template', database, plugin }, never);
      await eventually(
        async () =>
          (await below.look(never)).slots.some(({ name, restartLsn }) => name === 'template' && restartLsn !== null),
        { what: 'the template is being made' },
      );
      const x1 = await begin('x1');
      await logRunning();
      const x2 = await begin('x2');
      await commit(x1);
      await logRunning();
      const x3 = await begin('x3');
      await commit(x2);
      await logRunning();
      await making;
      const victim = await begin('first of the victim');
      await logRunning();
      const target = (await below.look(never)).replayedLsn ?? 0n;
      await below.advanceLogicalSlot({ name: 'template', database, target }, never);
      await commit(x3);
      await victim.query(`insert into written values ('second of the victim')`);
      // What the slot needs of the catalog follows its position by some records.
      for (let round = 0; round < 6; round += 1) {
        await logRunning();
        await rowsFrom(primary);
      }

      await standby.untilReplayed(primary);
      await below.syncSlots(never);
      const look = await below.look(never);
      expect(logicalSlot(look.slots, 's')).toMatchObject({ synced: true, temporary: false, snapshotOnDisk: false });
      const ledger = ledgerAfterLook(
        emptyLedger('two', look.systemIdentifier),
        look,
        () => false,
        null,
        () => false,
      );
      expect(ledger?.slots.get('s')?.decodable).toBe(false);

      await commit(victim);
      await standby.untilReplayed(primary);
      await primary.kill();
      await standby.promote();
      expect(await rowsFrom(standby)).toEqual(['second of the victim']);
    });
  },
);
