import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeError } from '../../../src/base/errors.ts';
import { dataDirectory, postmasterPid } from '../../../src/postgres/data-directory.ts';
import { createManagedServer } from '../../../src/postgres/managed/managed-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { asServerUser } from '../../../src/sandbox/server-user.ts';
import { eventually } from '../../support/eventually.ts';
import { completePostgres } from '../../support/majors.ts';
import { allowed, type ManagedMember, managedMember, passwords, upstreamOf } from './managed-members.ts';
import { never } from './servers.ts';

describe.each(await completePostgres())('a managed server in trouble, PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: ManagedMember;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await managedMember(sandbox, postgres, 'primary');
    await primary.server.bootstrap(primary.plan(), allowed, never);
    await primary.query('create table big as select i, repeat(md5(i::text), 20) from generate_series(1, 60000) as i');
  });
  afterAll(() => sandbox.close());

  const postmasterOf = async (member: ManagedMember): Promise<number> =>
    eventually(() => postmasterPid(dataDirectory(member.dataDir)), { what: `a postmaster of ${member.name}` });

  /** Slow enough to be met in the middle. */
  const slow = { replicaMethods: [{ kind: 'basebackup', options: [{ name: 'max-rate', value: '1M' }] }] } as const;

  test('what is not ours is told and left alone', async () => {
    const member = await managedMember(sandbox, postgres, 'foreign');
    await mkdir(member.dataDir);
    await writeFile(join(member.dataDir, 'letter.txt'), 'dear');
    expect(await member.server.inspect(never)).toEqual({ kind: 'foreign', what: 'letter.txt' });
    await expect(member.server.bootstrap(member.plan(), allowed, never)).rejects.toThrow(
      /not empty: it has letter\.txt/,
    );
    await expect(member.server.clone(upstreamOf(primary), primary.url, never)).rejects.toThrow(/not empty/);
    expect(await readdir(member.dataDir)).toEqual(['letter.txt']);
    expect(await readFile(join(member.dataDir, 'letter.txt'), 'utf8')).toBe('dear');
  });

  test('a copy that was given up is told as unfinished, and can be taken away and begun again', async () => {
    const member = await managedMember(sandbox, postgres, 'interrupted', slow);
    const abort = new AbortController();
    const copy = member.server.clone(upstreamOf(primary), primary.url, abort.signal);
    await eventually(() => existsSync(join(member.dataDir, 'base')), { what: 'the copy to be on its way' });
    abort.abort();
    await expect(copy).rejects.toThrow(/given up/);
    expect(await member.server.inspect(never)).toEqual({ kind: 'unfinished', what: 'clone' });
    await member.server.removeData(never);
    expect(await member.server.inspect(never)).toEqual({ kind: 'empty' });
    expect(await readdir(member.home)).not.toContain('data.failed-1');
    const again = createManagedServer({ ...member.settings, replicaMethods: [{ kind: 'basebackup', options: [] }] });
    await again.clone(upstreamOf(primary), primary.url, never);
    expect((await again.inspect(never)).kind).toBe('cluster');
  });

  test('the program of an agent that died is ended before its work is taken away', async () => {
    const member = await managedMember(sandbox, postgres, 'orphaned', slow);
    const copy = member.server.clone(upstreamOf(primary), primary.url, never).catch(describeError);
    await eventually(() => existsSync(join(member.dataDir, 'base')), { what: 'the copy to be on its way' });
    // The next agent, while the program of the one before is still at work.
    const next = createManagedServer(member.settings);
    await next.removeData(never);
    expect(await copy).toMatch(/was ended by SIGKILL/);
    expect(await next.inspect(never)).toEqual({ kind: 'empty' });
  });

  test('no password is in a command line, a log, a file that others can read, or a setting', async () => {
    const member = await managedMember(sandbox, postgres, 'secretive', slow);
    const seen: string[] = [];
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        seen.push(...(await commandLines()));
        await delay(5);
      }
    })();
    const fresh = await managedMember(sandbox, postgres, 'fresh', {
      bootstrap: {
        ...member.settings.bootstrap,
        users: [{ name: 'app', password: 'app-secret', options: ['createdb'] }],
        postBootstrap: ['/bin/sh', '-c', 'test -r "$PGPASSFILE" && sleep 0.2', 'post'],
      },
    });
    await fresh.server.bootstrap(
      fresh.plan(undefined, { log_statement: 'all', log_min_duration_statement: '0' }),
      allowed,
      never,
    );
    const abort = new AbortController();
    const copy = member.server.clone(upstreamOf(primary), primary.url, abort.signal).catch(() => undefined);
    await eventually(() => seen.some((line) => line.includes('pg_basebackup')), { what: 'pg_basebackup to be seen' });
    abort.abort();
    await copy;
    watching.abort();
    await watch;
    expect(seen.some((line) => line.includes('initdb'))).toBe(true);
    const secrets = [...Object.values(passwords), 'app-secret', passwords.superuser.replaceAll("'", "''")];
    const leaks = (text: string): readonly string[] => secrets.filter((secret) => text.includes(secret));
    expect(leaks(seen.join('\n'))).toEqual([]);
    for (const file of [
      'slotkeeper.postgresql.log',
      'postgresql.conf',
      'postgresql.auto.conf',
      'slotkeeper.upstream.conf',
    ]) {
      expect([file, leaks(await readFile(join(fresh.dataDir, file), 'utf8'))]).toEqual([file, []]);
    }
    expect((await readdir(fresh.home)).sort()).toEqual(
      ['.s.PGSQL', 'data', 'data.slotkeeper-pgpass'].flatMap((name) =>
        name === '.s.PGSQL' ? [`.s.PGSQL.${fresh.port}`, `.s.PGSQL.${fresh.port}.lock`] : [name],
      ),
    );
  });

  test('a bootstrap that fails is unfinished; nobody can connect to it before it is done', async () => {
    const member = await managedMember(sandbox, postgres, 'halfway', {
      bootstrap: {
        ...primary.settings.bootstrap,
        postBootstrap: ['/bin/sh', '-c', 'sleep 0.5; echo no luck; exit 3', 'post'],
      },
    });
    const bootstrap = member.server.bootstrap(member.plan(), allowed, never);
    await Promise.race([bootstrap.catch(() => undefined), postmasterOf(member)]);
    await expect(member.query('select 1')).rejects.toThrow(/ECONNREFUSED/);
    expect(await member.server.inspect(never)).toEqual({ kind: 'unfinished', what: 'bootstrap' });
    await expect(bootstrap).rejects.toThrow(/failed with 3: no luck/);
    expect(await postmasterPid(dataDirectory(member.dataDir))).toBe(null);
    expect(await member.server.inspect(never)).toEqual({ kind: 'unfinished', what: 'bootstrap' });
  });

  test('a bootstrap whose agent died goes with its server and its script', async () => {
    const member = await managedMember(sandbox, postgres, 'abandoned', {
      bootstrap: { ...primary.settings.bootstrap, postBootstrap: ['/bin/sh', '-c', 'sleep 60', 'post'] },
    });
    const bootstrap = member.server.bootstrap(member.plan(), allowed, never).catch(describeError);
    await Promise.race([bootstrap, postmasterOf(member)]);
    const next = createManagedServer(member.settings);
    await next.removeData(never);
    expect(await next.inspect(never)).toEqual({ kind: 'empty' });
    expect(await bootstrap).toMatch(/bootstrap: /);
    expect(await postmasterPid(dataDirectory(member.dataDir))).toBe(null);
  });

  test('a custom bootstrap method gets what it needs, and its restored data becomes a primary with our roles', async () => {
    const script = join(primary.home, 'restore.sh');
    const backup = join(primary.home, 'backup');
    await writeFile(
      script,
      `#!/bin/sh\nfor arg in "$@"; do case $arg in --datadir=*) to=\${arg#--datadir=};; esac; done\n` +
        // It makes the directory itself, as many do, and fails half-way at its first attempt.
        `[ -e "$to" ] && exit 9\n` +
        `[ -e ${script}.tried ] || { touch ${script}.tried; mkdir "$to"; touch "$to"/half; exit 3; }\n` +
        `echo "$@" > ${primary.home}/restore.args\ncp -a ${backup} "$to"\n`,
    );
    await chmod(script, 0o755);
    const copier = await managedMember(sandbox, postgres, 'copier', { dataDir: backup });
    await copier.server.clone(upstreamOf(primary), primary.url, never);
    const member = await managedMember(sandbox, postgres, 'restored', {
      credentials: { ...primary.settings.credentials, password: 'another one' },
      bootstrap: {
        ...primary.settings.bootstrap,
        method: {
          kind: 'command',
          command: ['/bin/sh', script],
          options: [{ name: 'stanza', value: 'x' }],
          noParams: false,
          keepExistingRecoveryConf: false,
          recoveryConf: { recovery_target: 'immediate', restore_command: '/bin/false' },
        },
      },
    });
    await expect(member.server.bootstrap(member.plan(), allowed, never)).rejects.toThrow(/failed with 3/);
    await member.server.removeData(never);
    await member.server.bootstrap(member.plan(), allowed, never);
    expect(await readFile(`${primary.home}/restore.args`, 'utf8')).toBe(
      `--scope=test --datadir=${member.dataDir} --stanza=x\n`,
    );
    expect(await member.server.configure(member.plan(), never)).toEqual(new Map());
    const disk = await member.server.stop('fast', never).then(() => member.server.inspect(never));
    expect(disk).toMatchObject({ kind: 'cluster', isStandby: false, control: { state: 'shut down', timeline: 2 } });
  });

  test('replica methods are tried in turn; what one leaves is taken away before the next', async () => {
    const told = join(primary.home, 'method.args');
    const script = `echo "$@" > ${told}; for arg in "$@"; do case $arg in --datadir=*) mkdir \${arg#*=} && echo x > \${arg#*=}/left;; esac; done; exit 1`;
    const member = await managedMember(sandbox, postgres, 'by_method', {
      replicaMethods: [
        {
          kind: 'command',
          name: 'from_archive',
          command: ['/bin/sh', '-c', script, 'method'],
          options: [{ name: 'speed', value: 'high' }],
          noParams: false,
          keepData: false,
          noLeader: false,
        },
        { kind: 'basebackup', options: [] },
      ],
    });
    await member.server.clone(upstreamOf(primary), primary.url, never);
    const args = await readFile(told, 'utf8');
    expect(args).toContain(
      `--speed=high --scope=test --role=replica --datadir=${member.dataDir} --connstring=user='streamer' `,
    );
    expect(await readdir(member.dataDir)).not.toContain('left');
    await member.server.start(member.plan(primary), null, never);
    expect(await member.query('select pg_is_in_recovery() as standby')).toEqual([{ standby: true }]);
    await member.server.stop('fast', never);
  });

  test('data comes out of a backup where nobody can be copied, by the methods that need nobody', async () => {
    const source = await managedMember(sandbox, postgres, 'backup_of');
    await source.server.clone(upstreamOf(primary), primary.url, never);
    await writeFile(join(source.dataDir, 'slotkeeper.term'), 'of the server that was backed up');
    const told = join(primary.home, 'restore.args');
    const script = `echo "$@" > ${told}; for arg in "$@"; do case $arg in --datadir=*) cp -a ${source.dataDir} \${arg#*=};; esac; done`;
    const common = { kind: 'command', options: [], noParams: false, keepData: false } as const;
    const member = await managedMember(sandbox, postgres, 'restored_standby', {
      replicaMethods: [
        { kind: 'basebackup', options: [] },
        { ...common, name: 'needs_one', command: ['/bin/false'], noLeader: false },
        { ...common, name: 'from_archive', command: ['/bin/sh', '-c', script, 'method'], noLeader: true },
      ],
    });
    await member.server.restore(never);
    expect(await readFile(told, 'utf8')).toBe(
      `--scope=test --role=replica --datadir=${member.dataDir} --connstring=\n`,
    );
    expect(await member.server.inspect(never)).toMatchObject({ kind: 'cluster', isStandby: true, term: null });
    expect(await readdir(member.dataDir)).not.toContain('slotkeeper.term');
    const without = await managedMember(sandbox, postgres, 'without_backup', {
      replicaMethods: [{ ...common, name: 'broken', command: ['/bin/false'], noLeader: true }],
    });
    await expect(without.server.restore(never)).rejects.toThrow(/restore the data: broken: /);
    expect(await without.server.inspect(never)).toEqual({ kind: 'empty' });
  });

  test('a fast stop does not wait for a logical consumer that has stopped reading', async () => {
    await primary.query(`select pg_create_logical_replication_slot('s', 'test_decoding')`);
    await primary.query('insert into big select * from big');
    await primary.query('create role consumer login replication');
    const line = asServerUser(join(postgres.binDir, 'pg_recvlogical'), [
      '-h',
      primary.home,
      '-p',
      String(primary.port),
      '-U',
      'admin',
      '-d',
      'postgres',
      '--slot=s',
      '--start',
      '-f',
      '-',
    ]);
    const consumer = spawn(line.command, line.args, {
      env: { PGPASSFILE: join(primary.home, 'data.slotkeeper-pgpass') },
      stdio: ['ignore', 'ignore', 'inherit'],
      ...(line.uid === undefined ? {} : { uid: line.uid }),
      ...(line.gid === undefined ? {} : { gid: line.gid }),
    });
    try {
      await eventually(async () => (await primary.query(`select from pg_replication_slots where active`)).length > 0, {
        what: 'the slot to be in use',
      });
      consumer.kill('SIGSTOP');
      await primary.query('insert into big select * from big');
      const beganAt = performance.now();
      await primary.server.stop('fast', never);
      expect(performance.now() - beganAt).toBeLessThan(8_000);
      expect(await primary.server.inspect(never)).toMatchObject({ control: { state: 'shut down' } });
    } finally {
      consumer.kill('SIGKILL');
    }
    await primary.server.start(primary.plan(), 3, never);
  });

  test('an immediate stop also ends a server that hangs, and one that is only just being started', async () => {
    process.kill(await postmasterOf(primary), 'SIGSTOP');
    await primary.server.stop('immediate', never);
    expect(await postmasterPid(dataDirectory(primary.dataDir))).toBe(null);
    const start = primary.server.start(primary.plan(), 4, never).then(
      () => 'started',
      () => 'given up',
    );
    await primary.server.stop('immediate', never);
    expect(await postmasterPid(dataDirectory(primary.dataDir))).toBe(null);
    expect(['started', 'given up']).toContain(await start);
    await delay(200);
    expect(await postmasterPid(dataDirectory(primary.dataDir))).toBe(null);
    await primary.server.start(primary.plan(), 5, never);
  });
});

/** Of everything that runs here. */
async function commandLines(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return texts.map((text) => text.replaceAll('\0', ' '));
}
