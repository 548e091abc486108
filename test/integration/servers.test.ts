import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startConsul } from '../../src/sandbox/consul-server.ts';
import { findConsul, findPostgres } from '../../src/sandbox/locate.ts';
import { startPrimary } from '../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../src/sandbox/processes.ts';
import { postgresMajors } from '../support/majors.ts';
import { consulForTest, postgresForTest } from '../support/servers.ts';

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await Sandbox.open();
});
afterEach(async () => {
  await sandbox.close();
  vi.unstubAllEnvs();
});

async function queryOnce<Row extends pg.QueryResultRow>(connectionString: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(sql);
    return rows;
  } finally {
    await client.end();
  }
}

describe('wherever they come from', () => {
  test('Consul takes writes, and is gone at the end', async () => {
    const { address, prefix, source } = await consulForTest(sandbox);
    const key = `http://${address.host}:${address.port}/v1/kv/${prefix}/key`;
    expect((await fetch(key, { method: 'PUT', body: 'value' })).ok).toBe(true);
    expect(await (await fetch(`${key}?raw`)).text()).toBe('value');
    await sandbox.close();
    if (source !== 'SLOTKEEPER_TEST_CONSUL') await expect(fetch(key)).rejects.toThrow();
  });

  test.each(postgresMajors())('PostgreSQL %i decodes, and is gone at the end', async (major) => {
    const server = await postgresForTest(sandbox, major);
    const [slot] = await queryOnce<{ slot_name: string }>(
      server.connUrl,
      `select slot_name from pg_create_logical_replication_slot('orders', 'test_decoding')`,
    );
    expect(slot?.slot_name).toBe('orders');
    if (server.source !== 'SLOTKEEPER_TEST_PG') expect(server.major).toBe(major);
    await sandbox.close();
    await expect(queryOnce(server.connUrl, 'select 1')).rejects.toThrow();
  });
});

describe('from the environment', () => {
  test('Consul', async () => {
    const { address } = await startConsul(sandbox, { consul: await findConsul(), mode: 'dev' });
    vi.stubEnv('SLOTKEEPER_TEST_CONSUL', `${address.host}:${address.port}`);
    expect(await consulForTest(sandbox)).toMatchObject({ address, source: 'SLOTKEEPER_TEST_CONSUL' });
  });

  test('an address that is none is an error, not a reason to look elsewhere', async () => {
    vi.stubEnv('SLOTKEEPER_TEST_CONSUL', 'consul.example');
    await expect(consulForTest(sandbox)).rejects.toThrow('instead of host:port');
  });

  test('PostgreSQL, on which nothing is left but what was there', async () => {
    const postgres = await findPostgres(undefined);
    const server = await startPrimary(sandbox, { name: 'given', postgres });
    vi.stubEnv('SLOTKEEPER_TEST_PG', server.connUrl());
    const borrower = await Sandbox.open();
    const { connUrl, major, source } = await postgresForTest(borrower, 13);
    expect({ major, source }).toEqual({ major: postgres.major, source: 'SLOTKEEPER_TEST_PG' });
    await queryOnce(connUrl, `select pg_create_logical_replication_slot('left_behind', 'test_decoding')`);
    await borrower.close();
    expect(await server.query('select slot_name from pg_replication_slots')).toEqual([]);
    expect(await server.query(`select datname from pg_database where datname like 'test%'`)).toEqual([]);
  });

  test('PostgreSQL without wal_level=logical is refused', async () => {
    const postgres = await findPostgres(undefined);
    const server = await startPrimary(sandbox, { name: 'given', postgres, settings: { wal_level: 'replica' } });
    vi.stubEnv('SLOTKEEPER_TEST_PG', server.connUrl());
    await expect(postgresForTest(sandbox, postgres.major)).rejects.toThrow('wal_level is replica');
  });
});

test('an image that cannot be had is no reason to fail', async () => {
  vi.stubEnv('SLOTKEEPER_TEST_CONSUL', '');
  vi.stubEnv('SLOTKEEPER_TEST_CONSUL_IMAGE', 'nowhere.invalid/consul:0');
  const { source } = await consulForTest(sandbox);
  expect(source).not.toContain('Docker');
});
