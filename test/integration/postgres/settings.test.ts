import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseOf } from '../../../src/postgres/conninfo.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';
import { describeWhere, testWhere } from '../../support/where.ts';
import { eachPostgres, localServer, logicalSlot, lookUntil, never, superuser } from './servers.ts';

const password = `hunter2' with \\ and "quotes"`;
const database = `it's \\ a "name"`;

describe.each(await eachPostgres())('changing settings of PostgreSQL $version', (postgres) => {
  const since17 = postgres.major >= 17;
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let above: LocalServer;
  let below: LocalServer;

  const show = async (server: PostgresServer, setting: string): Promise<string> => {
    const [row] = await server.query<{ value: string }>('select current_setting($1, true) as value', [setting]);
    return row?.value ?? '';
  };
  const setConninfo = async (conninfo: string): Promise<void> => {
    await standby.alterSystem({ primary_conninfo: conninfo });
    await eventually(async () => (await show(standby, 'primary_conninfo')) === conninfo, { what: 'the conninfo' });
  };
  const conninfo = (): string => primary.conninfo('two');

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres, auth: 'scram-sha-256', password });
    await primary.query(`create database "${database.replaceAll('"', '""')}"`);
    standby = await startStandby(sandbox, {
      name: 'two',
      postgres,
      upstream: primary,
      settings: { log_statement: 'all', log_min_duration_statement: 0 },
    });
    const credentials = { ...superuser, password };
    above = localServer(primary, { credentials });
    below = localServer(standby, { credentials });
  });
  afterAll(async () => {
    await Promise.all([above.close(), below.close()]);
    await sandbox.close();
  });

  test('takes effect without a restart, and goes back to what the files say', async () => {
    const before = await below.look(never);
    await below.alterSettings([{ name: 'primary_slot_name', value: 'another' }], never);
    await lookUntil(below, ({ settings }) => settings.primarySlotName === 'another');
    await below.alterSettings([{ name: 'primary_slot_name', value: 'two' }], never);
    await lookUntil(below, ({ settings, receiver }) => settings.primarySlotName === 'two' && receiver !== null);
    expect((await below.look(never)).startedAtWallMs).toBe(before.startedAtWallMs);
  });

  testWhere(since17)('takes the settings of the extension pg_failover_slots', async () => {
    const name = 'pg_failover_slots.standby_slot_names';
    for (const value of ['a,b', null]) {
      await below.alterSettings([{ name, value }], never);
      await eventually(async () => (await show(standby, name)) === (value ?? ''), { what: `${name} = ${value}` });
    }
  });

  testWhere(since17)('of a list gives each name, one name, none', async () => {
    for (const names of [['two', 'x_1'], ['two'], []]) {
      await above.alterSettings([{ name: 'synchronized_standby_slots', value: names.join(',') }], never);
      await lookUntil(above, ({ settings }) => settings.synchronizedStandbySlots?.join(' ') === names.join(' '));
    }
  });

  test('that is refused changes nothing', async () => {
    const wrong = { name: 'primary_slot_name', value: 'No Name' } as const;
    await expect(below.alterSettings([wrong], never)).rejects.toMatchObject({ trouble: 'refused' });
    expect(await show(standby, 'primary_slot_name')).toBe('two');
  });

  testWhere(since17)('holds back consumers of failover slots, and lets them go at once', async () => {
    for (const failover of [true, false])
      await above.createLogicalSlot(
        { name: failover ? 'held' : 'free', database: 'postgres', plugin: 'test_decoding', failover },
        never,
      );
    await above.alterSettings([{ name: 'synchronized_standby_slots', value: 'two,nobody' }], never);
    await lookUntil(above, ({ settings }) => settings.synchronizedStandbySlots?.length === 2);
    await primary.query('create table t as select 1 as i');
    const read = (slot: string): Promise<unknown[]> =>
      primary.query('select data from pg_logical_slot_get_changes($1, null, null)', [slot]);
    expect(await read('free')).not.toEqual([]);
    let isHeld = true;
    const reading = read('held').finally(() => (isHeld = false));
    const waits = `select from pg_stat_activity where wait_event = 'WaitForStandbyConfirmation'`;
    await eventually(async () => (await primary.query(waits)).length === 1, { what: 'the consumer to be held back' });
    expect(isHeld).toBe(true);
    const began = performance.now();
    await above.alterSettings([{ name: 'synchronized_standby_slots', value: '' }], never);
    expect(await reading).not.toEqual([]);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(logicalSlot((await above.look(never)).slots, 'held').active).toBe(false);
  });

  describeWhere(postgres.major >= 13)('dbname in primary_conninfo', () => {
    const streams = (): Promise<unknown> =>
      lookUntil(
        below,
        ({ receiver, settings }) => receiver?.status === 'streaming' && settings.upstreamDatabase !== null,
      );

    test('is put after what is there, and the standby goes on streaming', async () => {
      const before = await below.look(never);
      expect(before.settings.upstreamDatabase).toBeNull();
      await below.setUpstreamDatabase(database, never);
      await streams();
      expect((await below.look(never)).settings).toMatchObject({
        upstreamDatabase: database,
        upstreamHost: before.settings.upstreamHost,
        upstreamPort: before.settings.upstreamPort,
      });
      expect(await show(standby, 'primary_conninfo')).toContain(conninfo());
      expect((await below.look(never)).startedAtWallMs).toBe(before.startedAtWallMs);
    });

    test('stays when there is one', async () => {
      await setConninfo(`${conninfo()} dbname=other`);
      await below.setUpstreamDatabase('postgres', never);
      expect(await show(standby, 'primary_conninfo')).toBe(`${conninfo()} dbname=other`);
    });

    test('is put into a URL as well', async () => {
      const url = new URL(primary.connUrl());
      const bare = `postgres://${url.username}:${url.password}@${url.host}`;
      for (const form of [bare, `${bare}/`, `${bare}?application_name=two`, `${bare}/?application_name=two`]) {
        await setConninfo(form);
        await below.setUpstreamDatabase(database, never);
        await streams();
        const value = await show(standby, 'primary_conninfo');
        expect(value.startsWith(form)).toBe(true);
        expect(databaseOf(value)).toBe(database);
      }
      await setConninfo(`${bare}/postgres`);
      await below.setUpstreamDatabase('other', never);
      expect(await show(standby, 'primary_conninfo')).toBe(`${bare}/postgres`);
    });

    test('shows its password to nobody, but in the line that PostgreSQL itself logs of every reload', async () => {
      const log = join(standby.home, 'log', 'postgres.log');
      // The sandbox says it aloud when it sets it.
      await setConninfo(conninfo());
      const before = (await readFile(log, 'utf8')).length;
      await below.setUpstreamDatabase('postgres', never);
      await lookUntil(below, ({ settings }) => settings.upstreamDatabase === 'postgres');
      const logged = (await readFile(log, 'utf8')).slice(before).split('\n');
      expect(logged.filter((line) => line.includes('LOG:  statement: ')).length).toBeGreaterThan(0);
      const telling = logged.filter((line) => line.includes('hunter2'));
      expect(telling.filter((line) => !line.includes('parameter "primary_conninfo" changed'))).toEqual([]);
      const statements = await standby.query<{ query: string }>(
        `select query from pg_stat_activity where application_name = 'slotkeeper'`,
      );
      expect(inspect(statements)).not.toContain('hunter2');
    });

    test('is left alone where it would be logged, or cannot be changed, and the error keeps the secret', async () => {
      await setConninfo(conninfo());
      await primary.query(`create role agent login password 'agent' in role pg_read_all_settings`);
      await standby.untilReplayed(primary);
      const agent = localServer(standby, { credentials: { ...superuser, user: 'agent', password: 'agent' } });
      const refused: unknown = await agent.setUpstreamDatabase('postgres', never).catch((error: unknown) => error);
      expect(refused).toMatchObject({ name: 'ServerError', sqlstate: '42501' });
      expect(inspect(refused, { depth: 9, showHidden: true })).not.toContain('hunter2');
      await agent.close();
      const wrong: unknown = await below.setUpstreamDatabase('a\nb', never).catch((error: unknown) => error);
      expect(wrong).toMatchObject({ name: 'ServerError', trouble: 'refused' });
      expect(inspect(wrong, { depth: 9, showHidden: true })).not.toContain('hunter2');
      expect(await show(standby, 'primary_conninfo')).toBe(conninfo());
    });

    test('has no place where nothing is streamed', async () => {
      await expect(above.setUpstreamDatabase('postgres', never)).rejects.toThrow(/it is empty/);
    });
  });
});
