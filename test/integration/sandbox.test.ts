import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startConsul, startConsulClient, type ConsulAgent } from '../../src/sandbox/consul-server.ts';
import { findConsul, findPostgres } from '../../src/sandbox/locate.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { startPrimary, startStandby, type PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../src/sandbox/processes.ts';
import { childrenOf, isRunning } from '../../src/sandbox/system.ts';
import { eventually } from '../support/eventually.ts';
import { postgresMajors } from '../support/majors.ts';

describe('Consul', () => {
  let sandbox: Sandbox;
  let server: ConsulAgent;
  let client: ConsulAgent;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    const consul = await findConsul(console.info);
    server = await startConsul(sandbox, { consul, sessionTtlMin: '500ms' });
    client = await startConsulClient(sandbox, { consul, server });
  });
  afterAll(() => sandbox.close());

  test('a client agent reads what was written through the server', async () => {
    await server.request('PUT', '/v1/kv/greeting', 'hello');
    expect(await client.request('GET', '/v1/kv/greeting?raw')).toBe('hello');
  });

  test('sessions may be as short as the server was told', async () => {
    expect(await client.request('PUT', '/v1/session/create', '{"TTL":"500ms"}')).toContain('ID');
  });

  test('a restarted server has its keys again', async () => {
    await server.request('PUT', '/v1/kv/kept', 'yes');
    await server.kill();
    await server.start();
    await client.untilReady();
    expect(await client.request('GET', '/v1/kv/kept?raw')).toBe('yes');
  });

  test('a server that lost its data comes back empty, and its client finds it', async () => {
    await server.request('PUT', '/v1/kv/lost', 'yes');
    await server.restart({ keepData: false });
    await client.untilReady();
    await expect(client.request('GET', '/v1/kv/lost')).rejects.toThrow('404');
  });

  test('with ACLs on, only the token opens it', async () => {
    const consul = await findConsul();
    const guarded = await startConsul(sandbox, { consul, mode: 'dev', name: 'guarded', acl: true });
    const { status } = await fetch(`${guarded.url}/v1/kv/secret`);
    expect(status).toBe(403);
    await guarded.request('PUT', '/v1/kv/secret', 'x');
    expect(await guarded.request('GET', '/v1/kv/secret?raw')).toBe('x');
  });
});

describe.each(postgresMajors())('PostgreSQL %i', (major) => {
  let sandbox: Sandbox;
  let alpha: PostgresServer;
  let beta: PostgresServer;
  let gamma: PostgresServer;

  // each step goes on from where the one before it ended, as the life of a cluster does
  beforeAll(async () => {
    sandbox = await Sandbox.open();
    const postgres = await findPostgres(major, console.info);
    alpha = await startPrimary(sandbox, { name: 'alpha', postgres });
    beta = await startStandby(sandbox, { name: 'beta', postgres, upstream: alpha });
    gamma = await startStandby(sandbox, { name: 'gamma', postgres, upstream: beta });
    await alpha.query('create table numbers (number int)');
  });
  afterAll(() => sandbox.close());

  const numbers = async (server: PostgresServer): Promise<number[]> => {
    const rows = await server.query<{ number: number }>('select number from numbers order by number');
    return rows.map(({ number }) => number);
  };

  test('a row reaches the cascade', async () => {
    await alpha.query('insert into numbers values (1)');
    await gamma.untilReplayed(alpha);
    expect(await numbers(gamma)).toEqual([1]);
    expect(await gamma.isInRecovery()).toBe(true);
  });

  test('a killed standby starts again at once', async () => {
    await beta.kill();
    expect(await beta.postmasterPid()).toBeUndefined();
    await beta.start();
    await alpha.query('insert into numbers values (2)');
    await gamma.untilReplayed(alpha);
    expect(await numbers(gamma)).toEqual([1, 2]);
  });

  test('a frozen server gives no answer until it is thawed', async () => {
    await beta.freeze();
    const socket = connect(beta.port, beta.host);
    const answered = new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true));
      setTimeout(() => resolve(false), 300);
    });
    // asks whether TLS is spoken, which a server answers with one byte
    socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
    expect(await answered).toBe(false);
    socket.destroy();
    await beta.thaw();
    expect(await numbers(beta)).toEqual([1, 2]);
  });

  test('a server that somebody else restarted is still the same to its handle', async () => {
    const before = await beta.postmasterPid();
    await beta.stop();
    await beta.start();
    const after = await beta.postmasterPid();
    expect(after).not.toBe(before);
    expect(isRunning(after!)).toBe(true);
  });

  test('after a failover the former primary comes back by a new base backup', async () => {
    await gamma.untilReplayed(alpha);
    await alpha.kill();
    await beta.promote();
    await beta.query('insert into numbers values (3)');
    // a fresh copy has no WAL from before itself: whoever is to follow it later must not need any
    await gamma.untilReplayed(beta);
    await alpha.start();
    await alpha.query('insert into numbers values (-1)');
    await alpha.rejoin(beta);
    await alpha.untilReplayed(beta);
    expect(await numbers(alpha)).toEqual([1, 2, 3]);
  });

  test('a standby follows another server by a reload', async () => {
    await gamma.follow(alpha);
    await eventually(
      async () => {
        const [row] = await alpha.query<{ streaming: boolean }>(
          `select exists (select from pg_stat_replication where application_name = 'gamma') as streaming`,
        );
        return row?.streaming;
      },
      { what: 'gamma to stream from alpha' },
    );
  });

  test('after a clean switchover the former primary is just started as a standby', async () => {
    await alpha.untilReplayed(beta);
    await beta.stop();
    await alpha.promote();
    await alpha.query('insert into numbers values (4)');
    await beta.rejoin(alpha, 'plain');
    await beta.untilReplayed(alpha);
    await gamma.untilReplayed(alpha);
    expect(await numbers(beta)).toEqual([1, 2, 3, 4]);
    expect(await numbers(gamma)).toEqual([1, 2, 3, 4]);
  });

  test('a former primary comes back by pg_rewind where there is one, and else says what is missing', async () => {
    await alpha.kill();
    await beta.promote();
    await beta.query('insert into numbers values (5)');
    await gamma.follow(beta);
    await alpha.start();
    await alpha.query('insert into numbers values (-2)');
    if (!alpha.canRewind) {
      await expect(alpha.rejoin(beta, 'rewind')).rejects.toThrow('has no pg_rewind');
      return;
    }
    await alpha.rejoin(beta, 'rewind');
    await alpha.untilReplayed(beta);
    expect(await numbers(alpha)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('a password', () => {
  test.each(['md5', 'scram-sha-256'] as const)('by %s is asked of clients and standbys', async (auth) => {
    const sandbox = await Sandbox.open();
    try {
      const postgres = await findPostgres(undefined);
      const primary = await startPrimary(sandbox, { name: 'primary', postgres, auth, password: "o'clock" });
      const standby = await startStandby(sandbox, { name: 'standby', postgres, upstream: primary });
      await primary.query('create table t ()');
      await standby.untilReplayed(primary);
      const url = new URL(primary.connUrl());
      url.password = 'wrong';
      const stranger = new pg.Client({ connectionString: url.href });
      await expect(stranger.connect()).rejects.toMatchObject({ code: '28P01' });
    } finally {
      await sandbox.close();
    }
  });
});

describe('clean-up', () => {
  test('leaves no process and no folder, whatever state the servers are in', async () => {
    const sandbox = await Sandbox.open();
    const postgres = await findPostgres(undefined);
    const consul = await startConsul(sandbox, { consul: await findConsul() });
    const primary = await startPrimary(sandbox, { name: 'primary', postgres });
    const standby = await startStandby(sandbox, { name: 'standby', postgres, upstream: primary });
    const pids = await pidsOf(consul, primary, standby);
    await standby.freeze();
    consul.freeze();
    await sandbox.close();
    expect(pids.filter(isRunning)).toEqual([]);
    expect(existsSync(sandbox.folder)).toBe(false);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)('follows %s of the program', async (signal) => {
    const program = spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('../support/sandbox-holder.ts', import.meta.url))],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise<NodeJS.Signals | null>((resolve) => program.once('exit', (_, by) => resolve(by)));
    try {
      let said = '';
      program.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      const { folder, pids } = await eventually(() => (said.endsWith('\n') ? (JSON.parse(said) as Held) : undefined), {
        what: 'the program to have its servers',
        timeoutMs: 45_000,
      });
      expect(pids.some(isRunning)).toBe(true);
      program.kill(signal);
      expect(await ended).toBe(signal);
      // after SIGKILL there is nobody to wait for
      await eventually(() => !pids.some(isRunning) && !existsSync(folder), { what: 'everything to be gone' });
    } finally {
      program.kill('SIGKILL');
    }
  });
});

test('no port is handed out twice', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
  expect(new Set(ports).size).toBe(50);
});

interface Held {
  readonly folder: string;
  readonly pids: readonly number[];
}

async function pidsOf(consul: ConsulAgent, ...servers: readonly PostgresServer[]): Promise<number[]> {
  const postmasters = await Promise.all(servers.map((server) => server.postmasterPid()));
  const pids = [consul.pid, ...postmasters].filter((pid) => pid !== undefined);
  const children = await Promise.all(pids.map(childrenOf));
  return [...pids, ...children.flat()];
}
