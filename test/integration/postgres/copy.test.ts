import { existsSync } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { snapshotFileName } from '../../../src/domain/lsn.ts';
import { runCopy } from '../../../src/postgres/copy.ts';
import { walFileSuffix } from '../../../src/postgres/data-directory.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { copyParts } from './copy-parts.ts';
import { localServer, logicalSlot, lookUntil, never, postgresUnderTest, settingsFor, superuser } from './servers.ts';

describe.each(await postgresUnderTest())('the file copy on PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let source: LocalServer;
  let server: LocalServer;

  const wanted = (name: string, database = 'postgres') => ({ name, database, plugin: 'test_decoding' });
  const request = (...names: string[]) => ({
    primaryUrl: primary.connUrl(),
    slots: names.map((name) => wanted(name)),
    replace: [],
  });
  const slotNames = async (): Promise<readonly string[]> =>
    (await server.look(never)).slots.map(({ name }) => name).sort();
  const startedAt = async (): Promise<number> => (await server.look(never)).startedAtWallMs;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    standby = await startStandby(sandbox, {
      name: 'two',
      postgres,
      upstream: primary,
      settings: { max_replication_slots: 4, hot_standby_feedback: true },
    });
    source = localServer(primary);
    server = localServer(standby);
    await primary.query('create database other');
    for (const name of ['a', 'b', 'c', 'd', 'e']) await source.createLogicalSlot(wanted(name), never);
    await source.createLogicalSlot(wanted('o', 'other'), never);
    await source.createPhysicalSlot({ name: 'phys' }, never);
  });
  afterAll(async () => {
    await Promise.all([source.close(), server.close()]);
    await sandbox.close();
  });
  beforeEach(async () => {
    for (const name of await slotNames()) await server.dropSlot({ name, type: 'logical' }, never);
    await standby.untilReplayed(primary);
  });

  test('puts several slots in place with one restart', async () => {
    const started = await startedAt();
    const result = await server.copySlots(
      { ...request('a', 'b'), slots: [wanted('a'), wanted('b'), wanted('o', 'other')] },
      never,
    );
    expect(result.copied.map(({ name }) => name)).toEqual(['a', 'b', 'o']);
    expect(result.skipped).toEqual([]);
    expect(result.downMs).toBeGreaterThan(0);
    const look = await server.look(never);
    expect(look.startedAtWallMs).toBeGreaterThan(started);
    const original = logicalSlot((await source.look(never)).slots, 'a');
    expect(logicalSlot(look.slots, 'a')).toMatchObject({
      database: 'postgres',
      plugin: 'test_decoding',
      restartLsn: original.restartLsn,
      walOnDisk: true,
      temporary: false,
      invalidation: null,
    });
    // The owner is the server's: a base backup of this server must be able to read everything.
    const data = await stat(standby.dataDir);
    const file = await stat(join(standby.dataDir, 'pg_replslot', 'a', 'state'));
    expect([file.uid, file.gid, file.mode & 0o777]).toEqual([data.uid, data.gid, 0o600]);
    expect(existsSync(join(standby.dataDir, 'slotkeeper.copy'))).toBe(false);
    expect(await server.copyWasInterrupted()).toBe(false);
    // And they can be advanced.
    await primary.query('create table if not exists t (i int)');
    await standby.untilReplayed(primary);
    const target = (await server.look(never)).replayedLsn!;
    expect(await server.advanceLogicalSlot({ name: 'o', database: 'other', target }, never)).toBe(target);
  });

  test('brings the snapshot of the restart position along', async () => {
    for (let round = 0; round < 3; round += 1) {
      await primary.query('checkpoint');
      await primary.query(`select * from pg_logical_slot_get_changes('c', null, null)`);
    }
    await standby.untilReplayed(primary);
    const { restartLsn } = logicalSlot((await source.look(never)).slots, 'c');
    const result = await server.copySlots(request('c'), never);
    expect(result.copied).toEqual([{ name: 'c', restartLsn, snapshot: 'copied' }]);
    const file = join('pg_logical', 'snapshots', snapshotFileName(restartLsn!));
    expect(await readFile(join(standby.dataDir, file))).toEqual(await readFile(join(primary.dataDir, file)));
    expect(logicalSlot((await server.look(never)).slots, 'c').snapshotOnDisk).toBe(true);
  });

  test('restarts nothing for slots that cannot be had, and says why', async () => {
    const started = await startedAt();
    const result = await server.copySlots(
      {
        primaryUrl: primary.connUrl(),
        slots: [
          wanted('absent'),
          { ...wanted('a'), plugin: 'pgoutput' },
          wanted('b', 'other'),
          wanted('c', 'nowhere'),
          wanted('phys'),
          wanted('../../etc'),
        ],
        replace: [],
      },
      never,
    );
    expect(result).toMatchObject({ copied: [], downMs: 0 });
    const why = new Map(result.skipped.map((skipped) => [skipped.name, skipped.why]));
    expect(why.get('absent')).toMatch(/no such slot/);
    expect(why.get('a')).toMatch(/plugin is test_decoding, not pgoutput/);
    expect(why.get('b')).toMatch(/another database/);
    expect(why.get('c')).toMatch(/no database nowhere/);
    expect(why.get('phys')).toMatch(/physical/);
    expect(why.get('../../etc')).toMatch(/would not take this name/);
    expect(await startedAt()).toBe(started);
  });

  test('leaves out what has no room', async () => {
    const result = await server.copySlots(request('a', 'b', 'c', 'd', 'e'), never);
    expect(result.copied.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
    expect(result.skipped).toMatchObject([
      { name: 'e', why: expect.stringContaining('max_replication_slots is 4') as string },
    ]);
    expect(await slotNames()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('replaces a slot in place, removes another, and leaves those alone that it was not told of', async () => {
    await server.copySlots(request('a', 'b', 'c'), never);
    const old = logicalSlot((await server.look(never)).slots, 'a');
    await primary.query('create table if not exists t (i int)');
    await primary.query(`select pg_drop_replication_slot('a')`);
    await source.createLogicalSlot(wanted('a'), never);
    await standby.untilReplayed(primary);
    const result = await server.copySlots({ ...request('a', 'c'), replace: ['a', 'b'] }, never);
    expect(result.copied.map(({ name }) => name)).toEqual(['a']);
    expect(result.skipped).toMatchObject([{ name: 'c', why: expect.stringContaining('already') as string }]);
    const look = await server.look(never);
    expect(look.slots.map(({ name }) => name).sort()).toEqual(['a', 'c']);
    expect(logicalSlot(look.slots, 'a').restartLsn).toBeGreaterThan(old.restartLsn!);
  });

  test('takes a file that is not whole for no slot', async () => {
    await source.createLogicalSlot(wanted('torn'), never);
    const file = join(primary.dataDir, 'pg_replslot', 'torn', 'state');
    const whole = await readFile(file);
    const started = await startedAt();
    for (const bad of [
      whole.subarray(0, 100),
      Buffer.alloc(0),
      Buffer.concat([whole.subarray(0, 150), Buffer.alloc(50, 7)]),
    ]) {
      await writeFile(file, bad);
      const result = await server.copySlots(request('torn'), never);
      expect(result.copied).toEqual([]);
      expect(result.skipped).toMatchObject([
        { name: 'torn', why: expect.stringMatching(/not what this version reads/) as string },
      ]);
    }
    await writeFile(file, whole);
    expect(await startedAt()).toBe(started);
    await source.dropSlot({ name: 'torn', type: 'logical' }, never);
  });

  test('with slots that the server cannot start with, it runs again without them', async () => {
    const { place, prepare } = copyParts(settingsFor(standby));
    const work = await prepare(request('a', 'b'));
    // What no check can let through: the second file is torn.
    const torn = work.slots.map((slot, index) =>
      index === 0 ? slot : { ...slot, stateFile: slot.stateFile.subarray(0, 120) },
    );
    await expect(runCopy(place, { ...work, slots: torn }, never)).rejects.toThrow(/runs again without them/);
    expect(await slotNames()).toEqual([]);
    expect(await server.copyWasInterrupted()).toBe(false);
    expect(existsSync(join(standby.dataDir, 'slotkeeper.copy'))).toBe(false);
  });

  test('needs nothing but the one function on the primary, and says so when it is missing', async () => {
    await primary.query('create role copier login replication');
    await standby.untilReplayed(primary);
    const plain = localServer(standby, { credentials: { ...superuser, user: 'copier' } });
    try {
      const refused = await plain.copySlots(request('a'), never);
      expect(refused.skipped).toMatchObject([
        { name: 'a', why: expect.stringContaining('permission denied') as string },
      ]);
      await primary.query('grant execute on function pg_read_binary_file(text) to copier');
      await standby.untilReplayed(primary);
      expect((await plain.copySlots(request('a'), never)).copied).toMatchObject([{ name: 'a' }]);
    } finally {
      await plain.close();
    }
  });

  test('refuses another cluster, a standby, and an address that is none', async () => {
    const stranger = await startPrimary(sandbox, { name: 'stranger', postgres });
    await expect(server.copySlots({ ...request('a'), primaryUrl: stranger.connUrl() }, never)).rejects.toThrow(
      /another cluster/,
    );
    await expect(server.copySlots({ ...request('a'), primaryUrl: standby.connUrl() }, never)).rejects.toThrow(
      /is a standby/,
    );
    await expect(server.copySlots({ ...request('a'), primaryUrl: 'http://x' }, never)).rejects.toThrow(/not one/);
    await expect(source.copySlots(request('a'), never)).rejects.toThrow(/this server is a primary/);
    const elsewhere = localServer(standby, { dataDir: primary.dataDir });
    await expect(elsewhere.copySlots(request('a'), never)).rejects.toThrow(/data directory is/);
    await elsewhere.close();
    await stranger.stop();
  });

  test('waits until this server has replayed what the slot is at', async () => {
    await standby.query('select pg_wal_replay_pause()');
    await lookUntil(server, (look) => look.replayPaused);
    await primary.query(`create table if not exists t (i int)`);
    await primary.query('insert into t select generate_series(1, 100)');
    await primary.query(`select pg_drop_replication_slot('d')`);
    await source.createLogicalSlot(wanted('d'), never);
    const result = await server.copySlots(request('d'), never);
    expect(result).toMatchObject({
      copied: [],
      downMs: 0,
      skipped: [{ why: expect.stringContaining('replayed') as string }],
    });
    await standby.query('select pg_wal_replay_resume()');
  });

  test('the WAL that a base backup does not hold comes from the primary, and the slot gives all changes with it', async () => {
    await source.createLogicalSlot(wanted('old'), never);
    await primary.query('create table numbers (i int)');
    for (let segment = 0; segment < 3; segment += 1) {
      await primary.query(`insert into numbers values (${segment})`);
      await primary.query('select pg_switch_wal()');
    }
    await primary.query('checkpoint');
    // It begins with the WAL of its base backup.
    const late = await startStandby(sandbox, {
      name: 'late',
      postgres,
      upstream: primary,
      settings: { hot_standby_feedback: true },
    });
    const lateServer = localServer(late);
    const before = (await source.look(never)).slots.find(({ name }) => name === 'old')?.restartLsn ?? 0n;
    const file = `00000001${walFileSuffix(before, 16 << 20)}`;
    expect(existsSync(join(late.dataDir, 'pg_wal', file))).toBe(false);
    expect(await lateServer.copySlots(request('old'), never)).toMatchObject({ copied: [{ name: 'old' }], skipped: [] });
    const [there, here] = await Promise.all(
      [primary, late].map(({ dataDir }) => readFile(join(dataDir, 'pg_wal', file))),
    );
    expect(here?.equals(there ?? Buffer.alloc(0))).toBe(true);
    expect(existsSync(join(late.dataDir, 'pg_wal', 'archive_status', `${file}.done`))).toBe(true);
    expect(logicalSlot((await lateServer.look(never)).slots, 'old')).toMatchObject({
      restartLsn: before,
      walOnDisk: true,
    });
    await lateServer.close();
    await late.promote();
    await late.query('select pg_switch_wal()');
    await late.query('checkpoint');
    // What its own standby lacks is of two timelines.
    const settings = { hot_standby_feedback: true };
    const last = await startStandby(sandbox, { name: 'last', postgres, upstream: late, settings });
    const lastServer = localServer(last);
    expect(existsSync(join(last.dataDir, 'pg_wal', file))).toBe(false);
    const fromLate = { primaryUrl: late.connUrl(), slots: [wanted('old')], replace: [] };
    expect(await lastServer.copySlots(fromLate, never)).toMatchObject({ copied: [{ name: 'old' }], skipped: [] });
    await lastServer.close();
    await last.promote();
    for (const each of [late, last]) {
      const rows = await each.query(
        `select data from pg_logical_slot_get_changes('old', null, null) where data like 'table public.numbers%'`,
      );
      expect(rows.map(({ data }) => String(data).replace(/.*:/, ''))).toEqual(['0', '1', '2']);
    }
    await source.dropSlot({ name: 'old', type: 'logical' }, never);
  });

  test('without the WAL of the restart position there is no restart', async () => {
    // The primary itself has lost it here: what it calls so begins elsewhere.
    await source.createLogicalSlot(wanted('gone'), never);
    const start = logicalSlot((await source.look(never)).slots, 'gone').restartLsn ?? 0n;
    await primary.query('select pg_switch_wal()');
    await primary.query('create table if not exists t (i int)');
    await primary.query('checkpoint');
    const later = await startStandby(sandbox, { name: 'later', postgres, upstream: primary });
    const laterServer = localServer(later);
    const startedBefore = (await laterServer.look(never)).startedAtWallMs;
    await rm(join(primary.dataDir, 'pg_wal', `00000001${walFileSuffix(start, 16 << 20)}`));
    expect(await laterServer.copySlots(request('gone'), never)).toMatchObject({
      copied: [],
      downMs: 0,
      skipped: [
        { name: 'gone', why: expect.stringMatching(/WAL .* could not be fetched: the primary has no/) as string },
      ],
    });
    expect((await laterServer.look(never)).startedAtWallMs).toBe(startedBefore);
    await laterServer.close();
    await source.dropSlot({ name: 'gone', type: 'logical' }, never);
  });
});
