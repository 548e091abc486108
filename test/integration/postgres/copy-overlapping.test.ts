import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCopy } from '../../../src/postgres/copy.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { copyParts } from './copy-parts.ts';
import { type Writers, consume, startWriters } from './overlapping-writers.ts';
import { localServer, never, postgresUnderTest, settingsFor } from './servers.ts';

/**
 * FACTS 2: under ordinary load the state file alone loses the consumer's backlog, silently. Two standbys get the same
 * slot at the same time, one as slotkeeper copies it and one without the snapshot, and both are promoted.
 */
describe.each(await postgresUnderTest())(
  'a slot copied under overlapping transactions, PostgreSQL $version',
  (postgres) => {
    let sandbox: Sandbox;
    let primary: PostgresServer;
    let whole: PostgresServer;
    let stateOnly: PostgresServer;
    let writers: Writers;
    const received = new Set<number>();

    beforeAll(async () => {
      sandbox = await Sandbox.open();
      primary = await startPrimary(sandbox, { name: 'one', postgres });
      const settings = { hot_standby_feedback: true };
      whole = await startStandby(sandbox, { name: 'two', postgres, upstream: primary, settings });
      stateOnly = await startStandby(sandbox, { name: 'three', postgres, upstream: primary, settings });
      await primary.query('create table written (id int primary key)');
      await primary.query(`select pg_create_logical_replication_slot('s', 'test_decoding')`);
      writers = startWriters(primary, 8);
    });
    afterAll(async () => {
      await writers.stop();
      await sandbox.close();
    });

    /** Rows that nobody will ever get: acknowledged, not received before, and not in what the promoted server gives. */
    async function lostOn(server: PostgresServer): Promise<readonly number[]> {
      const rest = new Set(await consume(server, 's'));
      return [...writers.acknowledged].filter((id) => !received.has(id) && !rest.has(id));
    }

    test('loses nothing with its snapshot, and loses rows without', async () => {
      // The consumer reads until the slot's restart position is one at which transactions were running.
      for (let round = 0; round < 10; round += 1) {
        await writers.untilMore(10);
        await primary.query('checkpoint');
        for (const id of await consume(primary, 's')) received.add(id);
      }
      const request = {
        primaryUrl: primary.connUrl(),
        slots: [{ name: 's', database: 'postgres', plugin: 'test_decoding' }],
        replace: [],
      };
      const copier = localServer(whole);
      await Promise.all([whole.untilReplayed(primary), stateOnly.untilReplayed(primary)]);
      const result = await copier.copySlots(request, never);
      await copier.close();
      expect(result.copied).toMatchObject([{ name: 's', snapshot: 'copied' }]);

      const parts = copyParts(settingsFor(stateOnly));
      const work = await parts.prepare(request);
      const withoutSnapshots = work.slots.map((slot) => ({ ...slot, snapshotFile: null }));
      await runCopy(parts.place, { ...work, slots: withoutSnapshots }, never);

      // A backlog that nobody has read yet, and then the primary dies.
      await writers.untilMore(100);
      await writers.stop();
      await Promise.all([whole.untilReplayed(primary), stateOnly.untilReplayed(primary)]);
      await primary.kill();
      await Promise.all([whole.promote(), stateOnly.promote()]);

      expect(writers.acknowledged.size).toBeGreaterThan(100);
      expect(await lostOn(whole)).toEqual([]);
      expect((await lostOn(stateOnly)).length).toBeGreaterThan(0);
    });
  },
);
