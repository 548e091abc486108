import { execFile } from 'node:child_process';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createManagedServer } from '../../../src/postgres/managed/managed-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';
import { completePostgres } from '../../support/majors.ts';
import { allowed, type ManagedMember, managedMember, upstreamOf } from './managed-members.ts';
import { never } from './servers.ts';

const run = promisify(execFile);

/** One cluster's life, in order: each test goes on where the one before it ended. */
describe.each(await completePostgres())('a managed server, PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let one: ManagedMember;
  let two: ManagedMember;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    one = await managedMember(sandbox, postgres, 'one');
    two = await managedMember(sandbox, postgres, 'two');
  });
  afterAll(() => sandbox.close());

  const rowsOf = async (member: ManagedMember): Promise<readonly number[]> =>
    (await member.query<{ i: number }>('select i from t order by i')).map(({ i }) => i);
  const has = (member: ManagedMember, rows: readonly number[]): Promise<true> =>
    eventually(async () => JSON.stringify(await rowsOf(member)) === JSON.stringify(rows), {
      what: `rows ${rows.join(', ')} on ${member.name}`,
    });

  test('is bootstrapped: from nothing to a primary with its roles', async () => {
    expect(await one.server.inspect(never)).toEqual({ kind: 'empty' });
    await one.server.bootstrap(one.plan(), allowed, never);
    const [row] = await one.query<{ standby: boolean; level: string }>(
      `select pg_is_in_recovery() as standby, current_setting('wal_level') as level`,
    );
    expect(row).toEqual({ standby: false, level: 'logical' });
    const roles = await one.query<{ rolname: string; rolsuper: boolean; rolreplication: boolean }>(
      `select rolname, rolsuper, rolreplication from pg_roles where rolcanlogin order by rolname`,
    );
    expect(roles).toEqual([
      { rolname: 'admin', rolsuper: true, rolreplication: true },
      { rolname: 'rewinder', rolsuper: false, rolreplication: false },
      { rolname: 'streamer', rolsuper: false, rolreplication: true },
    ]);
    await one.query('create table t (i int)');
    await one.query('insert into t values (1)');
    expect(await one.server.recall(never)).toEqual({ term: null, isUnled: true, configText: null });
    await one.server.recordTerm(7, never);
    await one.server.saveConfig('{"ttl":30}', never);
    const notes = { term: { term: 7, member: 'one' }, isUnled: false, configText: '{"ttl":30}' };
    expect(await one.server.recall(never)).toMatchObject(notes);
    expect(await readFile(join(one.dataDir, 'patroni.dynamic.json'), 'utf8')).toBe('{"ttl":30}');
  });

  test('is copied and follows', async () => {
    await two.server.clone(upstreamOf(one), one.url, never);
    const disk = await two.server.inspect(never);
    expect(disk).toMatchObject({ kind: 'cluster', isStandby: true, term: null });
    expect(await two.server.recall(never)).toEqual({ term: null, isUnled: false, configText: null });
    await expect(two.server.saveConfig('{}', never)).rejects.toThrow(/no server runs there/);
    await two.server.start(two.plan(one), null, never);
    await has(two, [1]);
    await one.query('insert into t values (2)');
    await has(two, [1, 2]);
    const conninfo = await two.query<{ value: string }>(`select current_setting('primary_conninfo') as value`);
    expect(conninfo[0]?.value).not.toContain('secret');
  });

  test('is promoted under a term after its primary has crashed', async () => {
    await one.server.stop('immediate', never);
    await two.server.promote(9, 1, never);
    await two.query('insert into t values (3)');
    expect(JSON.parse(await readFile(join(two.dataDir, 'slotkeeper.term'), 'utf8'))).toMatchObject({
      member: 'two',
      term: 9,
    });
  });

  test('rewinds what it alone has written, and follows the new primary', async () => {
    await one.server.start(one.plan(), 7, never);
    await one.query('insert into t values (99)');
    await one.server.stop('immediate', never);
    expect(await one.server.inspect(never)).toMatchObject({
      kind: 'cluster',
      isStandby: false,
      term: { member: 'one', term: 7 },
      control: { state: 'in production', isRewindable: true, timeline: 1 },
      switches: [],
    });
    await one.server.rewind(upstreamOf(two), two.url, never);
    expect(await one.server.inspect(never)).toMatchObject({ kind: 'cluster', isStandby: true, term: null });
    await one.server.start(one.plan(two), null, never);
    await has(one, [1, 2, 3]);
    await two.query('insert into t values (4)');
    await has(one, [1, 2, 3, 4]);
  });

  test('hands over by a fast stop: its standby has everything, and the old primary follows without a rewind', async () => {
    await two.server.stop('fast', never);
    const disk = await two.server.inspect(never);
    expect(disk).toMatchObject({ kind: 'cluster', control: { state: 'shut down', timeline: 2 } });
    await one.server.promote(12, 2, never);
    await two.server.start(two.plan(one), null, never);
    await one.query('insert into t values (5)');
    await has(two, [1, 2, 3, 4, 5]);
    await two.server.stop('fast', never);
    expect(await two.server.inspect(never)).toMatchObject({
      isStandby: true,
      term: { member: 'two', term: 9 },
      control: { state: 'shut down in recovery' },
    });
    await two.server.start(two.plan(), null, never);
    await two.server.follow(two.plan(one), never);
    await one.query('insert into t values (6)');
    await has(two, [1, 2, 3, 4, 5, 6]);
  });

  test('refuses to start the data of a standby as a primary', async () => {
    await two.server.stop('fast', never);
    await expect(two.server.start(two.plan(), 13, never)).rejects.toThrow(/promoted instead/);
    expect((await two.server.inspect(never)).kind).toBe('cluster');
    await two.server.start(two.plan(one), null, never);
  });

  test('takes new settings: by a reload, or says which need a restart', async () => {
    expect(await one.server.configure(one.plan(undefined, { work_mem: '7MB' }), never)).toEqual(new Map());
    expect(await one.query('show work_mem')).toEqual([{ work_mem: '7MB' }]);
    expect(await one.server.configure(one.plan(undefined, { max_connections: '55' }), never)).toEqual(
      new Map([['max_connections', { from: '100', to: '55' }]]),
    );
    await one.server.restart(one.plan(undefined, { max_connections: '55' }), never);
    expect(await one.query('show max_connections')).toEqual([{ max_connections: '55' }]);
    expect(await one.query('show work_mem')).toEqual([{ work_mem: '4MB' }]);
  });

  test("a standby streams as another role once the agent's file says so, without a restart", async () => {
    await one.query("create role relay login replication password 'new'");
    const hba = [...(one.plan().hba ?? []), 'host replication relay 127.0.0.1/32 scram-sha-256'];
    await one.server.configure({ ...one.plan(), hba }, never);
    const started = await two.query('select pg_postmaster_start_time()');
    const replication = { ...two.settings.credentials, user: 'relay', password: 'new' };
    const reloaded = createManagedServer(two.settings, () => ({ ...two.settings, replication }));
    await reloaded.configure(two.plan(one), never);
    const clients = () => one.query('select usename from pg_stat_replication');
    await eventually(async () => JSON.stringify(await clients()) === '[{"usename":"relay"}]', {
      what: 'the standby to come as the other role',
    });
    expect(await two.query('select pg_postmaster_start_time()')).toEqual(started);
    await two.server.configure(two.plan(one), never);
  });

  test('leaves out what PostgreSQL does not take, and says so', async () => {
    const slip = one.plan(undefined, {
      max_connections: '55',
      work_memm: '1MB',
      maintenance_work_mem: 'lots',
      work_mem: '8MB',
    });
    await expect(one.server.configure(slip, never)).rejects.toThrow(/does not take work_memm, maintenance_work_mem/);
    expect(await one.query('show work_mem')).toEqual([{ work_mem: '8MB' }]);
    await one.server.restart(slip, never);
    expect(await one.query('show work_mem')).toEqual([{ work_mem: '8MB' }]);
  });

  test('a rewind that cannot be done leaves the data as it was', async () => {
    const three = await managedMember(sandbox, postgres, 'three');
    await three.server.bootstrap(three.plan(), allowed, never);
    await two.server.stop('fast', never);
    const before = await two.server.inspect(never);
    await expect(two.server.rewind(upstreamOf(three), three.url, never)).rejects.toThrow(/different systems/);
    expect(await two.server.inspect(never)).toEqual(before);
    await two.server.start(two.plan(one), null, never);
  });

  test('goes on with a directory that others made, and with its settings', async () => {
    const four = await managedMember(sandbox, postgres, 'four');
    await four.server.clone(upstreamOf(one), one.url, never);
    await run('rm', [join(four.dataDir, 'postgresql.base.conf')]);
    await writeFile(join(four.dataDir, 'postgresql.conf'), "maintenance_work_mem = '77MB'\nport = 1\n");
    await appendFile(
      join(four.dataDir, 'postgresql.auto.conf'),
      "primary_conninfo = 'host=nowhere'\nwork_mem = '9MB'\n",
    );
    await four.server.start(four.plan(one), null, never);
    const [row] = await four.query<Record<string, string>>(
      `select current_setting('maintenance_work_mem') as kept, current_setting('work_mem') as altered,
        current_setting('port') as port, current_setting('primary_conninfo') like '%nowhere%' as elsewhere`,
    );
    expect(row).toEqual({ kept: '77MB', altered: '9MB', port: String(four.port), elsewhere: false });
    await has(four, [1, 2, 3, 4, 5, 6]);
  });

  test('takes its data away: moved aside, one at a time', async () => {
    for (const kept of ['1', '2']) {
      await two.server.stop('immediate', never);
      await two.server.removeData(never);
      expect(await two.server.inspect(never)).toEqual({ kind: 'empty' });
      expect((await stat(join(two.home, `data.failed-${kept}`))).isDirectory()).toBe(true);
      await two.server.clone(upstreamOf(one), one.url, never);
      await two.server.start(two.plan(one), null, never);
    }
    await expect(stat(join(two.home, 'data.failed-1'))).rejects.toThrow(/ENOENT/);
    await has(two, [1, 2, 3, 4, 5, 6]);
  });

  test('starts as a standby with what its primary had, where less is planned, and says so', async () => {
    await one.server.restart(one.plan(undefined, { max_connections: '130', max_prepared_transactions: '7' }), never);
    const five = await managedMember(sandbox, postgres, 'five');
    await five.server.clone(upstreamOf(one), one.url, never);
    const less = five.plan(one, { max_connections: '60', max_prepared_transactions: '0', max_worker_processes: '9' });
    const raised = new Map([
      ['max_connections', { from: '130', to: '60' }],
      ['max_prepared_transactions', { from: '7', to: '0' }],
    ]);
    expect(await five.server.start(less, null, never)).toEqual(raised);
    expect(await five.query('show max_connections')).toEqual([{ max_connections: '130' }]);
    expect(await five.server.restart(less, never)).toEqual(raised);
    expect(await five.server.configure(less, never)).toEqual(raised);
    expect(await five.server.restart(less, never)).toEqual(raised);
    await has(five, [1, 2, 3, 4, 5, 6]);
  });

  test('writes a checkpoint while it serves', async () => {
    const redo = async (): Promise<string | undefined> =>
      (await one.query<{ lsn: string }>('select redo_lsn::text as lsn from pg_control_checkpoint()'))[0]?.lsn;
    const before = await redo();
    await one.query('insert into t values (7)');
    await one.server.checkpoint(never);
    expect(await redo()).not.toBe(before);
  });
});
