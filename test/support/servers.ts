// Where integration tests get their servers from: an address in the environment, a Docker engine that answers, binaries on
// this machine, fetched ones; in this order. Which one it was is printed, and no test is skipped for want of a server.
//
// A test that needs a server's data directory, its process or its restarts takes `findPostgres`, `findConsul` and the
// sandbox directly.

import { randomBytes } from 'node:crypto';
import process from 'node:process';
import pg from 'pg';
import type { Address } from '../../src/sandbox/consul-server.ts';
import { startConsul } from '../../src/sandbox/consul-server.ts';
import { findConsul, findPostgres } from '../../src/sandbox/locate.ts';
import { startPrimary } from '../../src/sandbox/postgres-server.ts';
import type { Sandbox } from '../../src/sandbox/processes.ts';
import { startContainer } from './containers.ts';
import { eventually } from './eventually.ts';

export interface ConsulForTest {
  readonly address: Address;
  /** Of the caller's own, without slashes at its ends: others may use the same server. */
  readonly prefix: string;
  readonly source: string;
}

export interface PostgresForTest {
  /** Of a database that is the caller's own, as a superuser. */
  readonly connUrl: string;
  readonly database: string;
  readonly major: number;
  readonly source: string;
}

/** Takes writes; loses everything at the end. */
export async function consulForTest(sandbox: Sandbox): Promise<ConsulForTest> {
  const { address, source } =
    (await consulFromEnvironment()) ?? (await consulFromDocker(sandbox)) ?? (await consulFromBinaries(sandbox));
  tell(`Consul at ${address.host}:${address.port}: ${source}`);
  return { address, source, prefix: `test-${unique()}` };
}

/** With `wal_level=logical`. An address in the environment is taken whatever its major is, and the answer says which. */
export async function postgresForTest(sandbox: Sandbox, major: number): Promise<PostgresForTest> {
  const { url, source } =
    (await postgresFromEnvironment()) ??
    (await postgresFromDocker(sandbox, major)) ??
    (await postgresFromBinaries(sandbox, major));
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    const { rows } = await admin.query<{ version: string; wal: string }>(
      `select current_setting('server_version_num') as version, current_setting('wal_level') as wal`,
    );
    const { version = '0', wal } = rows[0] ?? {};
    if (wal !== 'logical') throw new Error(`${source}: wal_level is ${wal ?? 'unknown'}, the tests need logical`);
    const database = `test_${unique()}`;
    await admin.query(`create database ${database}`);
    const own = new URL(url);
    own.pathname = `/${database}`;
    const found = Math.trunc(Number(version) / 10_000);
    tell(`PostgreSQL ${found} at ${own.host}: ${source}`);
    if (source.startsWith('SLOTKEEPER')) sandbox.atClose(() => dropDatabase(url, database));
    return { connUrl: own.href, database, major: found, source };
  } finally {
    await admin.end();
  }
}

async function consulFromEnvironment(): Promise<{ address: Address; source: string } | undefined> {
  const named = process.env['SLOTKEEPER_TEST_CONSUL'];
  if (named === undefined || named === '') return undefined;
  const [, host, port] = /^(?:http:\/\/)?([^:/]+):(\d+)\/?$/.exec(named) ?? [];
  if (host === undefined) throw new Error(`SLOTKEEPER_TEST_CONSUL is ${JSON.stringify(named)} instead of host:port`);
  const address = { host, port: Number(port) };
  await untilConsulWrites(address);
  return { address, source: 'SLOTKEEPER_TEST_CONSUL' };
}

async function consulFromDocker(sandbox: Sandbox): Promise<{ address: Address; source: string } | undefined> {
  const image = process.env['SLOTKEEPER_TEST_CONSUL_IMAGE'] ?? 'hashicorp/consul:1.21';
  const container = await startContainer(sandbox, tell, {
    image,
    port: 8500,
    command: ['agent', '-dev', '-client=0.0.0.0'],
  });
  if (container === undefined) return undefined;
  await untilConsulWrites(container);
  return { address: container, source: `Docker image ${image}` };
}

async function consulFromBinaries(sandbox: Sandbox): Promise<{ address: Address; source: string }> {
  const consul = await findConsul(tell);
  const { address } = await startConsul(sandbox, { consul, mode: 'dev', name: `consul-${unique()}` });
  return { address, source: `${consul.file} ${consul.version} (${consul.source})` };
}

async function untilConsulWrites({ host, port }: Address): Promise<void> {
  const key = `http://${host}:${port}/v1/kv/test-${unique()}`;
  await eventually(
    async () => {
      const { ok } = await fetch(key, { method: 'PUT', body: 'ready', signal: AbortSignal.timeout(2_000) });
      return ok;
    },
    { what: `a write through Consul at ${host}:${port}`, timeoutMs: 30_000 },
  );
  await fetch(key, { method: 'DELETE' });
}

async function postgresFromEnvironment(): Promise<{ url: string; source: string } | undefined> {
  const url = process.env['SLOTKEEPER_TEST_PG'];
  if (url === undefined || url === '') return undefined;
  await untilPostgresAnswers(url);
  return { url, source: 'SLOTKEEPER_TEST_PG' };
}

async function postgresFromDocker(
  sandbox: Sandbox,
  major: number,
): Promise<{ url: string; source: string } | undefined> {
  const image = process.env['SLOTKEEPER_TEST_PG_IMAGE'] ?? `postgres:${major}`;
  const container = await startContainer(sandbox, tell, {
    image,
    port: 5432,
    environment: { POSTGRES_PASSWORD: 'test' },
    command: ['postgres', '-c', 'wal_level=logical', '-c', 'max_replication_slots=20', '-c', 'max_wal_senders=20'],
  });
  if (container === undefined) return undefined;
  const url = `postgres://postgres:test@${container.host}:${container.port}/postgres`;
  await untilPostgresAnswers(url);
  return { url, source: `Docker image ${image}` };
}

async function postgresFromBinaries(sandbox: Sandbox, major: number): Promise<{ url: string; source: string }> {
  const postgres = await findPostgres(major, tell);
  const server = await startPrimary(sandbox, { postgres, name: `pg${major}-${unique()}` });
  return { url: server.connUrl(), source: `${postgres.binDir} ${postgres.version} (${postgres.source})` };
}

/** The official image starts its server twice: the first one, without TCP, is only to set up. */
async function untilPostgresAnswers(url: string): Promise<void> {
  await eventually(
    async () => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.query('select 1');
        return true;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    { what: `PostgreSQL at ${new URL(url).host}`, timeoutMs: 60_000, intervalMs: 100 },
  );
}

async function dropDatabase(url: string, database: string): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(
      `select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1 and not active`,
      [database],
    );
    await admin.query(`drop database if exists ${database} with (force)`);
  } finally {
    await admin.end();
  }
}

function unique(): string {
  return randomBytes(4).toString('hex');
}

function tell(line: string): void {
  console.info(`servers: ${line}`);
}
