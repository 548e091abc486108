import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { look as lookStatement } from '../../../src/postgres/sql/look.ts';
import { eachPostgres, localServer, logicalSlot, lookUntil, never, superuser } from './servers.ts';

describe.each(await eachPostgres())('a look at PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let cascade: PostgresServer;
  const open: LocalServer[] = [];
  const connect = (...args: Parameters<typeof localServer>): LocalServer => {
    const server = localServer(...args);
    open.push(server);
    return server;
  };

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    const settings = { 'pg_failover_slots.standby_slot_names': 'two' };
    primary = await startPrimary(sandbox, { name: 'one', postgres, settings });
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary });
    cascade = await startStandby(sandbox, { name: 'three', postgres, upstream: standby });
  });
  afterAll(async () => {
    await Promise.all(open.map((server) => server.close()));
    await sandbox.close();
  });

  test('shows a primary with its slots, its clients and what the role may', async () => {
    await primary.query(`select pg_create_logical_replication_slot('seen', 'test_decoding')`);
    const look = await lookUntil(connect(primary), (seen) => seen.replication.length === 1 && seen);
    expect(look).toMatchObject({
      role: 'primary',
      timeline: 1,
      receivedLsn: null,
      replayedLsn: null,
      receiver: null,
      settings: { walLevel: 'logical', maxReplicationSlots: 20, maxWalSenders: 20, upstreamHost: null },
      privileges: {
        superuser: true,
        replication: true,
        readBinaryFile: true,
        monitor: true,
        logStandbySnapshot: postgres.major >= 16,
      },
      replication: [{ applicationName: 'two', state: 'streaming', slotName: 'two', clientAddress: '127.0.0.1' }],
    });
    expect(look.currentLsn).toBeGreaterThan(0n);
    expect(Math.floor(look.versionNum / 10_000)).toBe(postgres.major);
    expect(Math.abs(look.startedAtWallMs - Date.now())).toBeLessThan(600_000);
    expect(look.databases).toContain('postgres');
    expect(look.databases).not.toContain('template0');
    expect(look.slots.find(({ name }) => name === 'two')).toMatchObject({
      type: 'physical',
      active: true,
      temporary: false,
    });
    expect(logicalSlot(look.slots, 'seen')).toMatchObject({
      database: 'postgres',
      plugin: 'test_decoding',
      active: false,
      temporary: false,
      twoPhase: false,
      walStatus: 'reserved',
      invalidation: null,
      failover: false,
      synced: false,
      walOnDisk: true,
      // A slot that nobody has read from starts without one.
      snapshotOnDisk: false,
    });
  });

  test('reads the end of the WAL before the slots, whatever the planner does', async () => {
    const { versionNum } = await connect(primary).look(never);
    const rows = await primary.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${lookStatement(versionNum).text}`);
    const lines = rows.map((row) => row['QUERY PLAN'].trim());
    const condition = lines.findIndex(
      (line) => line.startsWith('One-Time Filter') && line.includes('server.current_lsn'),
    );
    const listing = lines.findIndex((line, at) => at > condition && line.includes('pg_get_replication_slots'));
    // A part of its own that is begun for the row of `server`, whose condition is looked at before anything is listed.
    expect(lines.slice(0, condition).findLast((line) => /Plan \d/.test(line))).toMatch(/^SubPlan/);
    expect(listing).toBeGreaterThan(condition);
    expect(lines.slice(condition, listing).filter((line) => /Plan \d/.test(line))).toEqual([]);
  });

  test('shows the settings that slotkeeper changes', async () => {
    const server = connect(primary);
    const newer = postgres.major >= 17;
    const before = (await server.look(never)).settings;
    expect(before).toMatchObject({
      syncReplicationSlots: newer ? false : null,
      synchronizedStandbySlots: newer ? [] : null,
      failoverSlotsExtension: null,
      maxSlotWalKeepBytes: null,
      upstreamDatabase: null,
    });
    await primary.alterSystem({ max_slot_wal_keep_size: '3GB' });
    if (newer) await primary.alterSystem({ synchronized_standby_slots: 'two, "other",x' });
    const wanted = { maxSlotWalKeepBytes: 3n << 30n, synchronizedStandbySlots: newer ? ['two', 'other', 'x'] : null };
    await lookUntil(server, ({ settings }) => settings.maxSlotWalKeepBytes !== null);
    expect((await server.look(never)).settings).toMatchObject(wanted);
    await primary.alterSystem({ max_slot_wal_keep_size: null });
    if (newer) await primary.alterSystem({ synchronized_standby_slots: null });
    await lookUntil(server, ({ settings }) => settings.maxSlotWalKeepBytes === null);
  });

  test('does not take settings of pg_failover_slots for the extension', async () => {
    const [shown] = await primary.query(`select current_setting('pg_failover_slots.standby_slot_names') as names`);
    expect(shown).toEqual({ names: 'two' });
    expect((await connect(primary).look(never)).settings.failoverSlotsExtension).toBeNull();
  });

  test('finds the snapshot of a restart position as soon as it is written', async () => {
    const server = connect(primary);
    const before = logicalSlot((await server.look(never)).slots, 'seen').restartLsn;
    for (let round = 0; round < 3; round += 1) {
      await primary.query('checkpoint');
      await primary.query(`select * from pg_logical_slot_get_changes('seen', null, null)`);
    }
    const after = logicalSlot((await server.look(never)).slots, 'seen');
    expect(after.restartLsn).toBeGreaterThan(before ?? 0n);
    expect(after).toMatchObject({ snapshotOnDisk: true, walOnDisk: true });
  });

  test('shows a standby and a cascade, with where they stream from', async () => {
    await standby.untilReplayed(primary);
    await cascade.untilReplayed(primary);
    const look = await lookUntil(connect(standby), (seen) => seen.receiver?.status === 'streaming' && seen);
    expect(look).toMatchObject({
      role: 'standby',
      timeline: 1,
      currentLsn: null,
      replayPaused: false,
      receiver: { slotName: 'two', receivedTimeline: 1, senderHost: '127.0.0.1', senderPort: primary.port },
      settings: { primarySlotName: 'two', upstreamHost: '127.0.0.1', upstreamPort: primary.port },
    });
    expect(look.replayedLsn).toBeLessThanOrEqual(look.receivedLsn ?? 0n);
    const below = await lookUntil(connect(cascade), (seen) => seen.receiver?.status === 'streaming' && seen);
    expect(below.settings).toMatchObject({ primarySlotName: 'three', upstreamPort: standby.port });
  });

  test('says when replay is paused', async () => {
    await standby.query('select pg_wal_replay_pause()');
    try {
      await lookUntil(connect(standby), (seen) => seen.replayPaused);
    } finally {
      await standby.query('select pg_wal_replay_resume()');
    }
  });

  test('is possible for a role that may do nothing but connect', async () => {
    await primary.query('create role plain login');
    const look = await connect(primary, { credentials: { ...superuser, user: 'plain' } }).look(never);
    expect(look.privileges).toEqual({
      superuser: false,
      replication: false,
      readBinaryFile: false,
      monitor: false,
      logStandbySnapshot: false,
    });
    expect(look.slots.length).toBeGreaterThan(0);
    await standby.untilReplayed(primary);
    const below = await connect(standby, { credentials: { ...superuser, user: 'plain' } }).look(never);
    expect(below).toMatchObject({ role: 'standby', timeline: 1, receiver: null, settings: { upstreamHost: null } });
  });

  test('shows grants as they are made', async () => {
    await primary.query('create role agent login replication');
    await primary.query('grant pg_monitor to agent');
    await primary.query('grant execute on function pg_read_binary_file(text) to agent');
    const logs = postgres.major >= 16;
    if (logs) await primary.query('grant execute on function pg_log_standby_snapshot() to agent');
    const look = await connect(primary, { credentials: { ...superuser, user: 'agent' } }).look(never);
    expect(look.privileges).toEqual({
      superuser: false,
      replication: true,
      readBinaryFile: true,
      monitor: true,
      logStandbySnapshot: logs,
    });
    expect(look.replication[0]).toMatchObject({ applicationName: 'two', state: 'streaming' });
  });

  test('knows nothing of files without the data directory', async () => {
    const look = await connect(primary, { dataDir: null }).look(never);
    expect(logicalSlot(look.slots, 'seen')).toMatchObject({ identity: null, snapshotOnDisk: null, walOnDisk: null });
  });

  // The last one: it promotes.
  test('follows the timeline over a promotion, also where nothing is received', async () => {
    const [first, second, third] = [connect(primary), connect(standby), connect(cascade)];
    await second.look(never);
    await primary.kill();
    await expect(first.look(never)).rejects.toMatchObject({ name: 'ServerError' });
    await expect(first.look(never)).rejects.toMatchObject({ trouble: 'not_running', sqlstate: null });
    const alone = await lookUntil(second, (seen) => seen.receiver === null && seen);
    expect(alone.timeline).toBe(1);
    await standby.promote();
    const promoted = await second.look(never);
    expect(promoted).toMatchObject({ role: 'primary', timeline: 2, receiver: null });
    const switches = await second.timelineHistory(2, never);
    expect(switches).toMatchObject([{ timeline: 1, reason: expect.stringMatching(/./) as string }]);
    expect(switches[0]?.lsn).toBeLessThanOrEqual(promoted.currentLsn ?? 0n);
    expect(await second.timelineHistory(1, never)).toEqual([]);
    await lookUntil(third, (seen) => seen.timeline === 2);
    // Without a receiver, the cascade has to be asked for its timeline, and answers with the new one.
    await standby.kill();
    const orphan = await lookUntil(third, (seen) => seen.receiver === null && seen);
    expect(orphan.timeline).toBe(2);
  });
});
