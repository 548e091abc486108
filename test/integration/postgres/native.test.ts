import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { LogicalSlot } from '../../../src/domain/slot.ts';
import { Consumer } from '../../../src/demo/consumer.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';
import { testWhere } from '../../support/where.ts';
import { eachPostgres, localServer, logicalSlot, lookUntil, never, whileLogging } from './servers.ts';

const plugin = 'test_decoding';

describe.each(await eachPostgres())("PostgreSQL's own synchronisation, PostgreSQL $version", (postgres) => {
  const since17 = postgres.major >= 17;
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let above: LocalServer;
  let below: LocalServer;

  /** The slot on the standby as soon as PostgreSQL would keep it over a promotion. */
  const untilSynced = (name: string): Promise<LogicalSlot> =>
    eventually(
      async () => {
        const slot = (await below.look(never)).slots.find((each) => each.name === name);
        if (slot?.type !== 'logical' || !slot.synced || slot.temporary || slot.invalidation !== null) return null;
        return slot;
      },
      { what: `slot ${name} on the standby`, timeoutMs: 40_000 },
    );

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    await primary.query('create database other');
    await primary.query('create table t (i int)');
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary });
    above = localServer(primary);
    below = localServer(standby);
  });
  afterAll(async () => {
    await Promise.all([above.close(), below.close()]);
    await sandbox.close();
  });

  testWhere(!since17)('needs a newer version, and what needs it says so', async () => {
    const refusal = { sqlstate: '0A000', message: expect.stringContaining('needs PostgreSQL 17') as string };
    await expect(above.setFailover({ name: 's', failover: true }, never)).rejects.toMatchObject(refusal);
    await expect(below.syncSlots(never)).rejects.toMatchObject(refusal);
  });

  testWhere(since17)('of a slot that is marked later needs settings only, and no restart', async () => {
    const before = await below.look(never);
    await above.createLogicalSlot({ name: 'marked', database: 'postgres', plugin }, never);
    await above.setFailover({ name: 'marked', failover: true }, never);
    expect(logicalSlot((await above.look(never)).slots, 'marked').failover).toBe(true);

    await below.setFeedback('on', never);
    await below.setUpstreamDatabase('postgres', never);
    await below.alterSettings([{ name: 'sync_replication_slots', value: 'on' }], never);
    const look = await lookUntil(below, (seen) => seen.settings.syncReplicationSlots === true && seen);
    expect(look.settings).toMatchObject({
      upstreamDatabase: 'postgres',
      upstreamHost: before.settings.upstreamHost,
      upstreamPort: before.settings.upstreamPort,
      primarySlotName: 'two',
    });
    const synced = await untilSynced('marked');
    expect(synced).toMatchObject({ failover: true, database: 'postgres', plugin });
    expect((await below.look(never)).startedAtWallMs).toBe(before.startedAtWallMs);
  });

  testWhere(since17)('is asked for once where no worker does it, and left alone where one does', async () => {
    const worker = `select from pg_stat_activity where backend_type = 'slotsync worker'`;
    await eventually(async () => (await standby.query(worker)).length === 1, { what: 'the worker', timeoutMs: 30_000 });
    await below.syncSlots(never);
    await below.alterSettings([{ name: 'sync_replication_slots', value: null }], never);
    await eventually(async () => (await standby.query(worker)).length === 0, { what: 'no worker' });
    await above.createLogicalSlot({ name: 'once', database: 'postgres', plugin, failover: true }, never);
    await standby.untilReplayed(primary);
    await below.syncSlots(never);
    expect((await below.look(never)).slots.map(({ name }) => name)).toContain('once');
    await expect(above.syncSlots(never)).rejects.toMatchObject({ sqlstate: '55000' });
  });

  /** Nothing on the standby keeps any rows then, so that a slot's are either its own or gone. */
  async function dropEverySlot(): Promise<void> {
    const names = (await above.look(never)).slots.filter(({ type }) => type === 'logical').map(({ name }) => name);
    for (const name of names) await above.dropSlot({ name, type: 'logical' }, never);
    await below.syncSlots(never);
    expect((await below.look(never)).slots).toEqual([]);
  }

  const isFinished = async (slot: string): Promise<boolean> =>
    (await below.look(never)).slots.some(({ name, temporary }) => name === slot && !temporary);

  testWhere(since17)(
    'never finishes a slot that nobody reads, until that is moved past what is not for it',
    async () => {
      await dropEverySlot();
      const idle = { name: 'idle', database: 'postgres', plugin: 'pgoutput' };
      await above.createLogicalSlot({ ...idle, failover: true }, never);
      await primary.query('create table foreign_rows as select 1', [], 'other');
      await standby.untilReplayed(primary);
      await below.syncSlots(never);
      expect(await isFinished('idle')).toBe(false);
      await eventually(
        async () => {
          await above.logStandbySnapshot(never);
          expect(await above.moveIdleSlot(idle, never)).not.toBeNull();
          await standby.untilReplayed(primary);
          await below.syncSlots(never);
          return isFinished('idle');
        },
        { what: 'the slot on the standby' },
      );
    },
  );

  testWhere(since17)('never finishes one with unread changes either, unless an older slot keeps its rows', async () => {
    await dropEverySlot();
    const unread = { database: 'postgres', plugin, failover: true };
    await above.createLogicalSlot({ ...unread, name: 'alone' }, never);
    await primary.query('insert into t values (2)');
    await standby.untilReplayed(primary);
    await below.syncSlots(never);
    expect(await isFinished('alone')).toBe(false);
    await above.dropSlot({ name: 'alone', type: 'logical' }, never);
    const template = { name: 'template', database: 'postgres', plugin: 'pgoutput' };
    await whileLogging(above, below.createLogicalSlot(template, never));
    // A new slot begins with the oldest rows that are kept on the primary for anybody: for the standby, by now those that
    // its template needs, once it has said so. A reload makes it say so.
    const kept = logicalSlot((await below.look(never)).slots, template.name).catalogXmin;
    await below.alterSettings([], never);
    await lookUntil(above, ({ slots }) => slots.some((slot) => slot.name === 'two' && slot.catalogXmin === kept));
    await above.createLogicalSlot({ ...unread, name: 'kept' }, never);
    await primary.query('insert into t values (3)');
    await standby.untilReplayed(primary);
    await below.syncSlots(never);
    expect(logicalSlot((await below.look(never)).slots, 'kept')).toMatchObject({ synced: true, temporary: false });
  });

  testWhere(since17)('is not set on a slot in use: nothing changes, then or later', async () => {
    await above.createLogicalSlot({ name: 'busy', database: 'postgres', plugin: 'pgoutput' }, never);
    await primary.query('create publication p for table t');
    const findPrimary = (): Promise<string> => Promise.resolve(primary.connUrl());
    const consumer = new Consumer({ slot: 'busy', publication: 'p', findPrimary });
    consumer.start();
    try {
      await lookUntil(above, ({ slots }) => logicalSlot(slots, 'busy').active);
      const began = performance.now();
      await expect(above.setFailover({ name: 'busy', failover: true }, never)).rejects.toMatchObject({
        sqlstate: '55006',
        message: 'set failover of slot busy: it is in use',
      });
      expect(performance.now() - began).toBeLessThan(5_000);
      // Nobody is left on the server who would do it as soon as the slot is free.
      expect(await primary.query(`select from pg_stat_activity where query like 'ALTER_REP%'`)).toEqual([]);
    } finally {
      await consumer.stop();
    }
    await lookUntil(above, ({ slots }) => !logicalSlot(slots, 'busy').active);
    expect(logicalSlot((await above.look(never)).slots, 'busy').failover).toBe(false);
    await above.setFailover({ name: 'busy', failover: true }, never);
    expect(logicalSlot((await above.look(never)).slots, 'busy').failover).toBe(true);
  });

  testWhere(since17)('is refused for slots that are not there, and for those of a standby', async () => {
    await expect(above.setFailover({ name: 'absent', failover: true }, never)).rejects.toMatchObject({
      sqlstate: '42704',
    });
    await expect(below.setFailover({ name: 'template', failover: true }, never)).rejects.toMatchObject({
      sqlstate: '0A000',
    });
    await above.setFailover({ name: 'kept', failover: false }, never);
    expect(logicalSlot((await above.look(never)).slots, 'kept').failover).toBe(false);
  });
});
