import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { serverControl } from '../../../src/postgres/control.ts';
import { dataDirectory, postmasterPid } from '../../../src/postgres/data-directory.ts';
import { type ControlSettings, defaultTimeouts } from '../../../src/postgres/settings.ts';
import { type PostgresServer, startPrimary } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { serverUser } from '../../../src/sandbox/server-user.ts';
import { systemClock } from '../../support/system-clock.ts';
import { localServer, never, postgresUnderTest } from './servers.ts';

describe.each(await postgresUnderTest())('stopping and starting PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let server: LocalServer;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    server = localServer(primary);
  });
  afterAll(async () => {
    await server.close();
    await sandbox.close();
  });

  const controlBy = (settings: ControlSettings) =>
    serverControl(settings, dataDirectory(primary.dataDir), defaultTimeouts, systemClock);

  test('by pg_ctl, with the options that it had, and as its owner', async () => {
    const control = controlBy({ kind: 'pg_ctl', binDir: postgres.binDir, logFile: null });
    const directory = dataDirectory(primary.dataDir);
    await control.stop();
    expect(await postmasterPid(directory)).toBeNull();
    await control.start();
    const pid = await postmasterPid(directory);
    expect(pid).not.toBeNull();
    expect((await server.look(never)).role).toBe('primary');
    // The sandbox gives no options but the directory; a person, or a package's start script, may.
    const user = serverUser();
    const asOwner =
      user === undefined ? [] : ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
    const pgCtl = [...asOwner, join(postgres.binDir, 'pg_ctl'), '-D', primary.dataDir] as unknown as [
      string,
      ...string[],
    ];
    const byHand = controlBy({
      kind: 'commands',
      stop: [...pgCtl, 'stop', '-m', 'fast'],
      start: [
        ...pgCtl,
        'start',
        '-w',
        '-l',
        join(primary.home, 'byhand.log'),
        '-o',
        '-c max_wal_senders=7 -c "cluster_name=a b"',
      ],
    });
    await byHand.stop();
    await byHand.start();
    expect((await server.look(never)).settings.maxWalSenders).toBe(7);
    await control.stop();
    await control.start();
    expect((await server.look(never)).settings.maxWalSenders).toBe(7);
    expect(await primary.query('show cluster_name')).toEqual([{ cluster_name: 'a b' }]);
  });

  test('a command that fails says what it said', async () => {
    const broken = controlBy({ kind: 'pg_ctl', binDir: postgres.binDir, logFile: '/nonexistent/log' });
    await controlBy({ kind: 'pg_ctl', binDir: postgres.binDir, logFile: null }).stop();
    await expect(broken.start()).rejects.toThrow(/pg_ctl failed with 1: .*could not start/s);
    await expect(broken.stop()).rejects.toThrow(/PID file .* does not exist/);
    const missing = controlBy({ kind: 'pg_ctl', binDir: '/nonexistent', logFile: null });
    await expect(missing.start()).rejects.toThrow(/cannot be run: .*ENOENT/);
    await primary.start();
  });

  test('nothing secret of the environment goes to the server', async () => {
    process.env['CONSUL_HTTP_TOKEN'] = 'canary-token';
    process.env['PGPASSWORD'] = 'canary-password';
    try {
      const show: [string, ...string[]] = ['/bin/sh', '-c', 'env; exit 3'];
      const telling = controlBy({ kind: 'commands', stop: show, start: show });
      const error: unknown = await telling.start().catch((thrown: unknown) => thrown);
      expect(String(error)).toContain('PATH=');
      expect(String(error)).not.toContain('canary');
    } finally {
      delete process.env['CONSUL_HTTP_TOKEN'];
      delete process.env['PGPASSWORD'];
    }
  });
});
