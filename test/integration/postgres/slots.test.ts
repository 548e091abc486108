import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseLsn } from '../../../src/domain/lsn.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { defaultTimeouts } from '../../../src/postgres/settings.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { testWhere } from '../../support/where.ts';
import { eachPostgres, localServer, logicalSlot, lookUntil, never, superuser } from './servers.ts';

const everything = 0xffff_ffff_ffffn;

describe.each(await eachPostgres())('slots on PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let server: LocalServer;
  let below: LocalServer;

  const currentLsn = async (): Promise<bigint> => {
    const [row] = await primary.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn');
    return parseLsn(row!.lsn)!;
  };
  const slotNames = async (): Promise<readonly string[]> => (await server.look(never)).slots.map(({ name }) => name);

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary });
    await primary.query('create database other');
    server = localServer(primary);
    below = localServer(standby);
  });
  afterAll(async () => {
    await Promise.all([server.close(), below.close()]);
    await sandbox.close();
  });

  test('are created in their database, once', async () => {
    const wanted = { name: 'made', database: 'other', plugin: 'test_decoding' };
    await server.createLogicalSlot(wanted, never);
    const first = logicalSlot((await server.look(never)).slots, 'made');
    await server.createLogicalSlot(wanted, never);
    expect(logicalSlot((await server.look(never)).slots, 'made')).toEqual(first);
    expect(first).toMatchObject({ database: 'other', plugin: 'test_decoding', temporary: false });
  });

  test('of two creations at once one does it and the other is content', async () => {
    const wanted = { name: 'raced', database: 'postgres', plugin: 'test_decoding' };
    await Promise.all([1, 2, 3, 4].map(() => server.createLogicalSlot(wanted, never)));
    expect(await slotNames()).toContain('raced');
  });

  test('that cannot be created say why, with the SQLSTATE', async () => {
    const slot = { name: 'wrong', database: 'postgres', plugin: 'no_such_plugin' };
    await expect(server.createLogicalSlot(slot, never)).rejects.toMatchObject({
      sqlstate: '58P01',
      trouble: 'refused',
      message: expect.stringContaining('create logical slot wrong') as string,
    });
    await expect(server.createLogicalSlot({ ...slot, database: 'nowhere' }, never)).rejects.toMatchObject({
      sqlstate: '3D000',
    });
    expect(await slotNames()).not.toContain('wrong');
  });

  test('physical ones reserve WAL at once and can be advanced', async () => {
    await server.createPhysicalSlot({ name: 'phys' }, never);
    await server.createPhysicalSlot({ name: 'phys' }, never);
    const before = (await server.look(never)).slots.find(({ name }) => name === 'phys')?.restartLsn;
    expect(before).toBeGreaterThan(0n);
    await primary.query('create table t (i int)');
    const target = await currentLsn();
    expect(await server.advancePhysicalSlot({ name: 'phys', target }, never)).toBe(target);
    // Where it is already.
    expect(await server.advancePhysicalSlot({ name: 'phys', target }, never)).toBe(target);
    expect(await server.advancePhysicalSlot({ name: 'phys', target: 1n }, never)).toBe(target);
  });

  test('a physical slot that reserves nothing has no position to advance', async () => {
    await primary.query(`select pg_create_physical_replication_slot('lazy')`);
    await expect(server.advancePhysicalSlot({ name: 'lazy', target: 1n }, never)).rejects.toMatchObject({
      sqlstate: '55000',
    });
  });

  test("logical ones are their consumers' on a primary, also on one that was promoted a moment ago", async () => {
    const before = await server.look(never);
    const raced = before.slots.find((slot) => slot.name === 'raced');
    await primary.query('create table moved (i int)');
    const slot = { name: 'raced', database: 'postgres' };
    const at = await server.advanceLogicalSlot({ ...slot, target: await currentLsn() }, never);
    expect(raced).toMatchObject({ confirmedFlushLsn: at });
    expect(await server.advanceLogicalSlot({ ...slot, target: everything }, never)).toBe(at);
  });

  test('on a standby a slot stays behind what was replayed', async () => {
    await standby.untilReplayed(primary);
    await below.createPhysicalSlot({ name: 'phys' }, never);
    await standby.query('select pg_wal_replay_pause()');
    await lookUntil(below, (look) => look.replayPaused);
    await primary.query('insert into t select generate_series(1, 1000)');
    const target = await currentLsn();
    const reached = await below.advancePhysicalSlot({ name: 'phys', target }, never);
    expect(reached).toBeLessThan(target);
    expect(reached).toBeLessThanOrEqual((await below.look(never)).replayedLsn ?? 0n);
    await standby.query('select pg_wal_replay_resume()');
    await standby.untilReplayed(primary);
    expect(await below.advancePhysicalSlot({ name: 'phys', target }, never)).toBe(target);
  });

  testWhere(postgres.major < 16)('a logical one on a standby is refused with the SQLSTATE', async () => {
    const slot = { name: 'here', database: 'postgres', plugin: 'test_decoding' };
    await expect(below.createLogicalSlot(slot, never)).rejects.toMatchObject({ sqlstate: '0A000' });
  });

  testWhere(postgres.major >= 17)('are created with the mark for failover, once', async () => {
    const wanted = { name: 'marked', database: 'other', plugin: 'pgoutput', failover: true };
    await server.createLogicalSlot(wanted, never);
    await server.createLogicalSlot(wanted, never);
    expect(logicalSlot((await server.look(never)).slots, 'marked')).toMatchObject({ failover: true, synced: false });
    await expect(below.createLogicalSlot({ ...wanted, name: 'below' }, never)).rejects.toMatchObject({
      sqlstate: '0A000',
    });
  });

  testWhere(postgres.major < 17)('with the mark for failover are refused by name', async () => {
    const wanted = { name: 'marked', database: 'other', plugin: 'pgoutput', failover: true };
    await expect(server.createLogicalSlot(wanted, never)).rejects.toMatchObject({
      sqlstate: '0A000',
      message: `create failover slot marked: needs PostgreSQL 17, and this server is ${postgres.version}`,
    });
    expect(await slotNames()).not.toContain('marked');
  });

  test('that are not there are told apart from those in use', async () => {
    const target = await currentLsn();
    await expect(
      server.advanceLogicalSlot({ name: 'absent', database: 'postgres', target }, never),
    ).rejects.toMatchObject({ sqlstate: '42704' });
    // A physical slot of that name is not the logical one that is meant.
    await expect(
      server.advanceLogicalSlot({ name: 'phys', database: 'postgres', target }, never),
    ).rejects.toMatchObject({ sqlstate: '42704' });
    await expect(server.advancePhysicalSlot({ name: 'two', target: everything }, never)).rejects.toMatchObject({
      sqlstate: '55006',
    });
  });

  test('need the privilege to replicate', async () => {
    await primary.query('create role plain login');
    const plain = localServer(primary, { credentials: { ...superuser, user: 'plain' } });
    await server.createPhysicalSlot({ name: 'plain' }, never);
    await primary.query('create table written (i int)');
    const target = await currentLsn();
    await expect(plain.advancePhysicalSlot({ name: 'plain', target }, never)).rejects.toMatchObject({
      sqlstate: '42501',
      trouble: 'refused',
    });
    await plain.close();
  });

  test('a role with REPLICATION is enough to create, advance and drop', async () => {
    await primary.query('create role agent login replication');
    const agent = localServer(primary, { credentials: { ...superuser, user: 'agent' } });
    await agent.createLogicalSlot({ name: 'agents', database: 'postgres', plugin: 'test_decoding' }, never);
    const target = await currentLsn();
    expect(await agent.advanceLogicalSlot({ name: 'agents', database: 'postgres', target }, never)).toBe(target);
    expect(await agent.dropSlot({ name: 'agents', type: 'logical' }, never)).toBe(true);
    await agent.close();
  });

  test('are dropped unless active, temporary, of the other type, or on a server that was promoted since', async () => {
    expect(await server.dropSlot({ name: 'two', type: 'physical' }, never)).toBe(false);
    expect(await server.dropSlot({ name: 'made', type: 'logical', role: 'standby' }, never)).toBe(false);
    expect(await server.dropSlot({ name: 'made', type: 'physical' }, never)).toBe(false);
    expect(await slotNames()).toEqual(expect.arrayContaining(['two', 'made']));
    // From another database than its own.
    expect(await server.dropSlot({ name: 'made', type: 'logical', role: 'primary' }, never)).toBe(true);
    expect(await server.dropSlot({ name: 'made', type: 'logical' }, never)).toBe(true);
    expect(await slotNames()).not.toContain('made');
    await primary.withClient(async (client) => {
      await client.query(`select pg_create_logical_replication_slot('fleeting', 'test_decoding', true)`);
      expect(await server.dropSlot({ name: 'fleeting', type: 'logical' }, never)).toBe(false);
      expect(await slotNames()).toContain('fleeting');
    });
  });

  test('one that hangs does not delay another', async () => {
    await server.createLogicalSlot({ name: 'quick', database: 'postgres', plugin: 'test_decoding' }, never);
    await primary.withClient(async (client) => {
      // A creation waits for this transaction, as an advance can.
      await client.query('begin');
      await client.query('insert into t values (1)');
      const stop = new AbortController();
      const hangs = server.createLogicalSlot(
        { name: 'stuck', database: 'postgres', plugin: 'test_decoding' },
        stop.signal,
      );
      hangs.catch(() => undefined);
      await lookUntil(server, (look) => look.slots.some(({ name }) => name === 'stuck'));
      const target = await currentLsn();
      expect(await server.advanceLogicalSlot({ name: 'quick', database: 'postgres', target }, never)).toBeGreaterThan(
        0n,
      );
      stop.abort();
      await expect(hangs).rejects.toMatchObject({ trouble: 'timeout' });
      await client.query('rollback');
    });
  });

  test('the statement timeout ends an advance that takes too long', async () => {
    const hurried = localServer(primary, { timeouts: { ...defaultTimeouts, createMs: 200 } });
    await primary.withClient(async (client) => {
      await client.query('begin');
      await client.query('insert into t values (1)');
      await expect(
        hurried.createLogicalSlot({ name: 'late', database: 'postgres', plugin: 'test_decoding' }, never),
      ).rejects.toMatchObject({ sqlstate: '57014', trouble: 'timeout' });
      await client.query('rollback');
    });
    await hurried.close();
  });

  test('hot_standby_feedback goes on and back without a restart', async () => {
    const before = await below.look(never);
    expect(before.settings.hotStandbyFeedback).toBe(false);
    await below.setFeedback('on', never);
    await lookUntil(below, (look) => look.settings.hotStandbyFeedback);
    await below.setFeedback('reset', never);
    const after = await lookUntil(below, (look) => !look.settings.hotStandbyFeedback && look);
    expect(after.startedAtWallMs).toBe(before.startedAtWallMs);
  });
});
