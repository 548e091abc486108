import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';
import { testWhere } from '../../support/where.ts';
import { eachPostgres, localServer, logicalSlot, lookUntil, never } from './servers.ts';

describe.each(await eachPostgres())('an idle slot on PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let server: LocalServer;

  const position = async (name: string): Promise<bigint> =>
    logicalSlot((await server.look(never)).slots, name).confirmedFlushLsn ?? 0n;
  const create = async (name: string, plugin = 'test_decoding') => {
    await server.createLogicalSlot({ name, database: 'postgres', plugin }, never);
    return { name, database: 'postgres', plugin };
  };
  const foreignWal = (): Promise<unknown> => primary.query('insert into t select generate_series(1, 100)', [], 'other');

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    const memory = postgres.major >= 13 ? { logical_decoding_work_mem: '64kB' } : {};
    const settings = { max_prepared_transactions: 5, ...memory };
    primary = await startPrimary(sandbox, { name: 'one', postgres, settings });
    await primary.query('create table t (i int)');
    await primary.query('create database other');
    await primary.query('create table t (i int)', [], 'other');
    server = localServer(primary);
  });
  afterAll(async () => {
    await server.close();
    await sandbox.close();
  });

  test.each(['test_decoding', 'pgoutput'])('is moved past what is not for it: %s', async (plugin) => {
    const slot = await create(`foreign_${plugin}`, plugin);
    const before = await position(slot.name);
    await foreignWal();
    await primary.query('create table unread (i int)');
    await primary.query('drop table unread');
    // The second one is more than what is decoded in memory.
    for (const rows of [1, 10_000])
      await primary.query(`begin; insert into t select generate_series(1, ${rows}); rollback`);
    const reached = await server.moveIdleSlot(slot, never);
    expect(reached).toBeGreaterThan(before);
    expect(await position(slot.name)).toBe(reached);
    // What the check was made with goes with its connection.
    await lookUntil(server, ({ slots }) => slots.every(({ temporary }) => !temporary));
  });

  test('moves its start along too, once what runs has been logged', async () => {
    const slot = await create('restarting');
    const start = logicalSlot((await server.look(never)).slots, slot.name).restartLsn ?? 0n;
    await foreignWal();
    await eventually(
      async () => {
        await primary.query('checkpoint');
        await server.moveIdleSlot(slot, never);
        return (logicalSlot((await server.look(never)).slots, slot.name).restartLsn ?? 0n) > start;
      },
      { what: 'a later start' },
    );
  });

  test.each([
    ['a row', ['insert into t values (7)']],
    ['many rows', ['insert into t select generate_series(1, 10000)']],
    ['a truncation', ['truncate t']],
    ['a logical message', [`select pg_logical_emit_message(false, 'p', 'm')`]],
    ['a prepared row', ['begin', 'insert into t values (8)', `prepare transaction 'x'`, `commit prepared 'x'`]],
  ])('is not moved past %s', async (what, changes) => {
    const slot = await create(what.replaceAll(' ', '_'));
    await foreignWal();
    const before = await position(slot.name);
    await primary.withClient(async (client) => {
      for (const change of changes) await client.query(change);
    });
    await foreignWal();
    expect(await server.moveIdleSlot(slot, never)).toBeNull();
    expect(await position(slot.name)).toBe(before);
  });

  test('is not moved past what was published once, whatever is published now', async () => {
    await primary.query('create publication gone for table t');
    const slot = await create('unpublished', 'pgoutput');
    await primary.query('insert into t values (9)');
    await primary.query('drop publication gone');
    expect(await server.moveIdleSlot(slot, never)).toBeNull();
  });

  test('is not moved while it is in use, temporary, or not there', async () => {
    await primary.withClient(async (client) => {
      // A slot is in use while it is made, and that waits for this transaction.
      await client.query('begin');
      await client.query('insert into t values (1)');
      const making = create('in_use');
      await lookUntil(server, ({ slots }) => slots.some(({ name }) => name === 'in_use'));
      expect(await server.moveIdleSlot({ name: 'in_use', database: 'postgres', plugin: 'pgoutput' }, never)).toBeNull();
      await client.query('rollback');
      await making;
    });
    expect(await server.moveIdleSlot({ name: 'absent', database: 'postgres', plugin: 'pgoutput' }, never)).toBeNull();
    await primary.withClient(async (client) => {
      await client.query(`select pg_create_logical_replication_slot('fleeting', 'test_decoding', true)`);
      const fleeting = { name: 'fleeting', database: 'postgres', plugin: 'test_decoding' };
      expect(await server.moveIdleSlot(fleeting, never)).toBeNull();
    });
  });

  testWhere(postgres.major >= 14)('is not moved when its consumer is told of prepared transactions', async () => {
    await primary.query(`select pg_create_logical_replication_slot('two_phase', 'test_decoding', false, true)`);
    await foreignWal();
    const slot = { name: 'two_phase', database: 'postgres', plugin: 'test_decoding' };
    expect(await server.moveIdleSlot(slot, never)).toBeNull();
  });

  test('loses nothing to a consumer that reads at the same time', async () => {
    const slot = await create('raced');
    const got: string[] = [];
    let written = 0;
    const stop = new AbortController();
    const moves = (async () => {
      while (!stop.signal.aborted) await server.moveIdleSlot(slot, never);
    })();
    await primary.withClient(async (client) => {
      for (; written < 100; written += 1) {
        await client.query('insert into t values ($1)', [1_000 + written]);
        const changes = `select data from pg_logical_slot_get_changes('raced', null, null)`;
        // Refused while the slot is being moved.
        const { rows } = await client.query<{ data: string }>(changes).catch(() => ({ rows: [] }));
        got.push(...rows.flatMap(({ data }) => /INSERT: i\[integer\]:(\d+)/.exec(data)?.[1] ?? []));
      }
    });
    stop.abort();
    await moves;
    const rest = await primary.query<{ data: string }>(
      `select data from pg_logical_slot_get_changes('raced', null, null)`,
    );
    got.push(...rest.flatMap(({ data }) => /INSERT: i\[integer\]:(\d+)/.exec(data)?.[1] ?? []));
    expect(got.map(Number)).toEqual(Array.from({ length: written }, (_, at) => 1_000 + at));
  });
});
