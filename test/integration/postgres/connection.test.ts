import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeError } from '../../../src/base/errors.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { defaultTimeouts } from '../../../src/postgres/settings.ts';
import { freePort } from '../../../src/sandbox/ports.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';
import { localServer, lookUntil, never, postgresUnderTest, superuser } from './servers.ts';

const password = 'hunter2 with \\ and :';

describe.each(await postgresUnderTest())('connections to PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  const open: LocalServer[] = [];
  const connect = (...args: Parameters<typeof localServer>): LocalServer => {
    const server = localServer(...args);
    open.push(server);
    return server;
  };

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres, auth: 'scram-sha-256', password });
  });
  afterAll(async () => {
    await Promise.all(open.map((server) => server.close()));
    await sandbox.close();
  });

  test('take the password from the settings or from a password file', async () => {
    const direct = connect(primary, { credentials: { ...superuser, password } });
    expect((await direct.look(never)).role).toBe('primary');
    const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-'));
    try {
      const passfile = join(folder, 'pass');
      await writeFile(
        passfile,
        `${primary.host}:${primary.port}:*:postgres:${password.replaceAll(/([\\:])/g, '\\$1')}\n`,
      );
      await chmod(passfile, 0o600);
      expect((await connect(primary, { credentials: { ...superuser, passfile } }).look(never)).role).toBe('primary');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('that are refused say so without the password', async () => {
    const wrong = connect(primary, { credentials: { ...superuser, password: 'not-the-secret' } });
    const error: unknown = await wrong.look(never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'ServerError', trouble: 'refused', sqlstate: '28P01' });
    expect(describeError(error)).not.toContain('not-the-secret');
    await expect(connect(primary, { credentials: superuser }).look(never)).rejects.toThrow(/none is configured/);
  });

  test('tell when the server ends them, and not when they are closed or refused', async () => {
    const server = connect(primary, { credentials: { ...superuser, password } });
    let lost = 0;
    const forget = server.onLost(() => (lost += 1));
    await server.look(never);
    const others = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'slotkeeper'`;
    await primary.query(others);
    await eventually(() => lost === 1, { what: 'the loss to be heard' });
    await server.look(never);
    forget();
    await primary.query(others);
    const refused = connect(primary, { credentials: { ...superuser, password: 'wrong' } });
    refused.onLost(() => (lost += 1));
    await refused.look(never).catch(() => undefined);
    await server.close();
    expect(lost).toBe(1);
  });

  test('are told apart from the others by their name, and see only pg_catalog', async () => {
    const server = connect(primary, { credentials: { ...superuser, password } });
    await primary.query(`alter role postgres set search_path = evil, pg_catalog`);
    await primary.query(`create schema evil`);
    await primary.query(
      `create function evil.floor(double precision) returns double precision language sql as 'select 1/0::float8'`,
    );
    await primary.query(`create function evil.floor(numeric) returns numeric language sql as 'select 1/0::numeric'`);
    expect((await server.look(never)).role).toBe('primary');
    const rows = await primary.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity where application_name = 'slotkeeper'`,
    );
    expect(rows[0]?.count).toBeGreaterThan(0);
  });

  test('speak TLS only if they have to, and refuse to go without', async () => {
    const ssl = { ...superuser.ssl, mode: 'require' as const };
    await expect(connect(primary, { credentials: { ...superuser, password, ssl } }).look(never)).rejects.toThrow(/SSL/);
  });

  test('a port where nobody listens is a server that is not running', async () => {
    const address = { host: '127.0.0.1', port: await freePort(), database: 'postgres' };
    await expect(connect(primary, { address }).look(never)).rejects.toMatchObject({
      trouble: 'not_running',
      sqlstate: null,
    });
    const socket = { host: tmpdir(), port: address.port, database: 'postgres' };
    await expect(connect(primary, { address: socket }).look(never)).rejects.toMatchObject({ trouble: 'not_running' });
  });

  test('a look at a server that gives no answer ends with its signal, and the next one is good again', async () => {
    const server = connect(primary, { credentials: { ...superuser, password } });
    await server.look(never);
    await primary.freeze();
    try {
      const stop = new AbortController();
      const looking = server.look(stop.signal);
      looking.catch(() => undefined);
      stop.abort();
      await expect(looking).rejects.toMatchObject({ trouble: 'timeout' });
      // A new connection is not answered either.
      const hurried = connect(primary, {
        credentials: { ...superuser, password },
        timeouts: { ...defaultTimeouts, connectMs: 100 },
      });
      await expect(hurried.look(never)).rejects.toMatchObject({ trouble: 'timeout' });
    } finally {
      await primary.thaw();
    }
    expect((await server.look(never)).role).toBe('primary');
  });

  test('are made anew after a restart', async () => {
    const server = connect(primary, { credentials: { ...superuser, password } });
    const before = await server.look(never);
    await server.createPhysicalSlot({ name: 'here' }, never);
    await primary.stop();
    await expect(server.look(never)).rejects.toMatchObject({ name: 'ServerError' });
    await primary.start();
    const after = await server.look(never);
    expect(after.startedAtWallMs).toBeGreaterThan(before.startedAtWallMs);
    expect(await server.dropSlot({ name: 'here', type: 'physical' }, never)).toBe(true);
  });

  test('a standby that does not accept connections yet is starting', async () => {
    const standby = await startStandby(sandbox, {
      name: 'two',
      postgres,
      upstream: primary,
      settings: { hot_standby: false },
      start: false,
    });
    await standby.launch();
    const server = connect(standby, { credentials: { ...superuser, password } });
    for (;;) {
      const error: unknown = await server.look(never).catch((thrown: unknown) => thrown);
      if (error instanceof Error && 'trouble' in error && error.trouble === 'not_running') continue;
      expect(error).toMatchObject({ trouble: 'starting', sqlstate: '57P03' });
      break;
    }
    await standby.stop();
  });

  test('the ledger belongs to the server that was seen', async () => {
    const server = connect(primary, { credentials: { ...superuser, password } });
    await expect(server.readLedger()).rejects.toThrow(/no look/);
    const { systemIdentifier } = await lookUntil(server, (look) => look);
    const empty = await server.readLedger();
    expect(empty).toEqual({ member: 'one', systemIdentifier, slots: new Map(), feedbackSet: false, settingsSet: [] });
    await server.writeLedger({ ...empty, feedbackSet: true, settingsSet: [] });
    expect(await server.readLedger()).toEqual({ ...empty, feedbackSet: true, settingsSet: [] });
    const homeless = connect(primary, { credentials: { ...superuser, password }, dataDir: null });
    await homeless.look(never);
    expect((await homeless.readLedger()).feedbackSet).toBe(false);
    await homeless.writeLedger({ ...empty, feedbackSet: true, settingsSet: [] });
    expect((await homeless.readLedger()).feedbackSet).toBe(true);
  });
});
