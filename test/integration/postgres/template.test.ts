import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { defaultTimeouts } from '../../../src/postgres/settings.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { testWhere } from '../../support/where.ts';
import { eachPostgres, localServer, logicalSlot, lookUntil, never, superuser } from './servers.ts';

const everything = 0xffff_ffff_ffffn;
const template = { name: 'template', database: 'other', plugin: 'pgoutput' };
const wanted = { name: 's', template: 'template', database: 'other', plugin: 'test_decoding' };

describe.each(await eachPostgres())('template slots on PostgreSQL $version', (postgres) => {
  const since16 = postgres.major >= 16;
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let above: LocalServer;
  let below: LocalServer;

  const slotNames = async (): Promise<readonly string[]> => (await below.look(never)).slots.map(({ name }) => name);

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    await primary.query('create database other');
    const settings = { hot_standby_feedback: true };
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary, settings });
    above = localServer(primary);
    below = localServer(standby);
    await standby.untilReplayed(primary);
  });
  afterAll(async () => {
    await Promise.all([above.close(), below.close()]);
    await sandbox.close();
  });

  testWhere(!since16)('need a newer version, and what needs it says so', async () => {
    const refusal = { sqlstate: '0A000', message: expect.stringContaining('needs PostgreSQL 16') as string };
    await expect(above.logStandbySnapshot(never)).rejects.toMatchObject(refusal);
    await expect(below.copyFromTemplate({ ...wanted, target: everything }, never)).rejects.toMatchObject(refusal);
    await expect(below.createLogicalSlot(template, never)).rejects.toMatchObject({ sqlstate: '0A000' });
  });

  testWhere(since16)('are made on the standby of an idle primary as soon as that logs a snapshot', async () => {
    // What the primary has logged by itself until now is behind the standby.
    await standby.untilReplayed(primary);
    const making = below.createLogicalSlot(template, never);
    await lookUntil(below, ({ slots }) => slots.some(({ name }) => name === template.name));
    await above.logStandbySnapshot(never);
    await making;
    const made = logicalSlot((await below.look(never)).slots, template.name);
    expect(made).toMatchObject({ database: 'other', temporary: false, failover: false, invalidation: null });
    expect(made.confirmedFlushLsn).toBeLessThanOrEqual((await below.look(never)).replayedLsn ?? 0n);
    // Once more: it exists, so nothing is waited for.
    await below.createLogicalSlot(template, never);
  });

  testWhere(since16)('are waited for no longer than the time that making one may take', async () => {
    const hurried = localServer(standby, { timeouts: { ...defaultTimeouts, createMs: 300 } });
    await standby.untilReplayed(primary);
    await standby.query('select pg_wal_replay_pause()');
    await expect(hurried.createLogicalSlot({ ...template, name: 'late' }, never)).rejects.toMatchObject({
      sqlstate: '57014',
      trouble: 'timeout',
    });
    await standby.query('select pg_wal_replay_resume()');
    await hurried.close();
    expect(await slotNames()).not.toContain('late');
  });

  testWhere(since16)('become the slot that is wanted, at its position and no further than is replayed', async () => {
    await above.createLogicalSlot({ ...wanted }, never);
    await primary.query('create table t (i int)', [], 'other');
    const position = logicalSlot((await above.look(never)).slots, 's').confirmedFlushLsn ?? 0n;
    await standby.untilReplayed(primary);
    expect(await below.copyFromTemplate({ ...wanted, target: position }, never)).toBe(position);
    const made = logicalSlot((await below.look(never)).slots, 's');
    expect(made).toMatchObject({
      database: 'other',
      plugin: 'test_decoding',
      confirmedFlushLsn: position,
      temporary: false,
      failover: false,
    });
    const reached = await below.copyFromTemplate({ ...wanted, name: 'far', target: everything }, never);
    expect(reached).toBeGreaterThan(position);
    expect(reached).toBeLessThanOrEqual((await below.look(never)).replayedLsn ?? 0n);
  });

  testWhere(since16)('are copied once, and a slot that exists is only advanced', async () => {
    const before = logicalSlot((await below.look(never)).slots, 's');
    await primary.query('insert into t values (1)', [], 'other');
    await standby.untilReplayed(primary);
    const target = (await below.look(never)).replayedLsn ?? 0n;
    expect(await below.copyFromTemplate({ ...wanted, target }, never)).toBe(target);
    expect(logicalSlot((await below.look(never)).slots, 's').identity).toBe(before.identity);
    // Behind where it is: a slot never goes back.
    expect(await below.copyFromTemplate({ ...wanted, target: 1n }, never)).toBe(target);
    const twice = { ...wanted, name: 'twice', target };
    const attempts = await Promise.allSettled([1, 2, 3].map(() => below.copyFromTemplate(twice, never)));
    // Who comes while it is being made finds a slot without a position, or in use; one of them makes it.
    const failures = attempts.flatMap((attempt) => (attempt.status === 'rejected' ? [attempt.reason as unknown] : []));
    for (const failure of failures)
      expect(failure).toMatchObject({ sqlstate: expect.stringMatching(/^5500[06]$/) as string });
    expect(failures.length).toBeLessThan(3);
    expect(await below.copyFromTemplate(twice, never)).toBe(target);
  });

  testWhere(since16)('need to be there, and give no slot when they are not', async () => {
    const target = (await below.look(never)).replayedLsn ?? 0n;
    const absent = { ...wanted, name: 'none', target };
    await expect(below.copyFromTemplate({ ...absent, template: 'absent' }, never)).rejects.toMatchObject({
      sqlstate: '42704',
    });
    await expect(below.copyFromTemplate({ ...absent, plugin: 'no_such_plugin' }, never)).rejects.toMatchObject({
      sqlstate: '58P01',
    });
    // It would skip changes: the template is past what the consumer has.
    await expect(below.copyFromTemplate({ ...absent, target: 1n }, never)).rejects.toMatchObject({
      sqlstate: '55000',
      message: expect.stringContaining('has passed the position') as string,
    });
    // The server says what is wrong before it has tidied up.
    await lookUntil(below, ({ slots }) => !slots.some(({ name }) => name === 'none'));
  });

  testWhere(since16)('can be made and copied by a role with REPLICATION', async () => {
    await primary.query('create role agent login replication');
    await primary.query('grant execute on function pg_log_standby_snapshot() to agent');
    await standby.untilReplayed(primary);
    const credentials = { ...superuser, user: 'agent' };
    const [agentAbove, agentBelow] = [localServer(primary, { credentials }), localServer(standby, { credentials })];
    const making = agentBelow.createLogicalSlot({ ...template, name: 'agents' }, never);
    await lookUntil(below, ({ slots }) => slots.some(({ name }) => name === 'agents'));
    await agentAbove.logStandbySnapshot(never);
    await making;
    const target = (await below.look(never)).replayedLsn ?? 0n;
    const copy = { ...wanted, name: 'copied', template: 'agents', target };
    expect(await agentBelow.copyFromTemplate(copy, never)).toBe(target);
    await Promise.all([agentAbove.close(), agentBelow.close()]);
  });

  testWhere(since16)('log no snapshot on a standby', async () => {
    await expect(below.logStandbySnapshot(never)).rejects.toMatchObject({ sqlstate: '55000' });
  });

  // The last one: it promotes.
  testWhere(since16)('are left alone by a copy that comes after a promotion', async () => {
    await standby.promote();
    const names = await slotNames();
    await expect(below.copyFromTemplate({ ...wanted, name: 'after', target: everything }, never)).rejects.toMatchObject(
      {
        sqlstate: '55000',
        message: expect.stringContaining('not a standby any more') as string,
      },
    );
    expect(await slotNames()).toEqual(names);
  });
});
