import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { templatesSince } from '../../../src/view/method.ts';
import { type Writers, consume, startWriters } from './overlapping-writers.ts';
import { eachPostgresSince, localServer, logicalSlot, lookUntil, never, whileLogging } from './servers.ts';

const template = { name: 'template', database: 'postgres', plugin: 'pgoutput' };

/**
 * FACTS 2: slots that are copied from a template on a standby lose nothing, whatever runs meanwhile. The templates are
 * made first, on a standby and on a cascade, and the slots on the primary later, under transactions of which there is
 * always one. One slot's consumer reads on, the other's never comes.
 */
describe.each(await eachPostgresSince(templatesSince))(
  'slots copied from a template under overlapping transactions, PostgreSQL $version',
  (postgres) => {
    let sandbox: Sandbox;
    let primary: PostgresServer;
    let standbys: readonly PostgresServer[];
    let above: LocalServer;
    let below: readonly LocalServer[];
    let writers: Writers;
    const received = new Set<number>();

    beforeAll(async () => {
      sandbox = await Sandbox.open();
      primary = await startPrimary(sandbox, { name: 'one', postgres });
      await primary.query('create table written (id int primary key)');
      const settings = { hot_standby_feedback: true };
      const standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary, settings });
      standbys = [standby, await startStandby(sandbox, { name: 'three', postgres, upstream: standby, settings })];
      above = localServer(primary);
      below = standbys.map((server) => localServer(server));
      writers = startWriters(primary, 8);
    });
    afterAll(async () => {
      await writers.stop();
      await Promise.all([above, ...below].map((server) => server.close()));
      await sandbox.close();
    });

    /** As slotkeeper does it in a small step: never past where the consumer is on the primary. */
    async function copyTo(server: LocalServer, name: string): Promise<void> {
      const { confirmedFlushLsn } = logicalSlot((await above.look(never)).slots, name);
      const target = confirmedFlushLsn ?? 0n;
      const slot = { name, template: template.name, database: 'postgres', plugin: 'test_decoding', target };
      await lookUntil(server, ({ replayedLsn }) => replayedLsn !== null && replayedLsn >= target);
      expect(await server.copyFromTemplate(slot, never)).toBe(target);
    }

    test('lose no row over a promotion', async () => {
      await whileLogging(above, Promise.all(below.map((server) => server.createLogicalSlot(template, never))));
      await writers.untilMore(20);
      for (const name of ['read', 'idle'])
        await above.createLogicalSlot({ name, database: 'postgres', plugin: 'test_decoding' }, never);
      const before = new Set(writers.acknowledged);

      for (const server of below) await copyTo(server, 'idle');
      for (let round = 0; round < 5; round += 1) {
        await writers.untilMore(15);
        for (const id of await consume(primary, 'read')) received.add(id);
        for (const server of below) await copyTo(server, 'read');
        if (round === 2) await primary.query('alter table written add column note text');
      }
      await writers.untilMore(50);
      await writers.stop();
      for (const standby of standbys) await standby.untilReplayed(primary);
      await primary.kill();

      for (const standby of standbys) {
        await standby.promote();
        const [rest, all] = [await consume(standby, 'read'), new Set(await consume(standby, 'idle'))];
        const after = [...writers.acknowledged].filter((id) => !before.has(id));
        expect(after.length).toBeGreaterThan(100);
        expect(after.filter((id) => !received.has(id) && !rest.includes(id))).toEqual([]);
        expect(after.filter((id) => !all.has(id))).toEqual([]);
        // The copies were at the consumer's own position: it gets nothing twice.
        expect(rest.filter((id) => received.has(id))).toEqual([]);
      }
    });
  },
);
