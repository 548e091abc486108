import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createManagedServer } from '../../../src/postgres/managed/managed-server.ts';
import { completePostgres } from '../../support/majors.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { makeOwned } from '../../../src/sandbox/base-backup.ts';
import { allowed, type ManagedMember, managedMember, upstreamOf } from './managed-members.ts';
import { never } from './servers.ts';

const run = promisify(execFile);
/** A disk that can be filled needs a file system of its own, which only root may mount (and not in every container). */
const mountIsAllowed = await run('unshare', ['--mount', 'true']).then(
  () => process.geteuid?.() === 0,
  () => false,
);
if (!mountIsAllowed) console.warn('NOT TESTED: a full disk during a copy (no right to mount a file system)');

describe.runIf(mountIsAllowed).each(await completePostgres())('a full disk, PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: ManagedMember;
  let disk: string;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await managedMember(sandbox, postgres, 'primary');
    await primary.server.bootstrap(primary.plan(), allowed, never);
    disk = join(primary.home, 'disk');
    await mkdir(disk);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=70m', 'slotkeeper-test', disk]);
    await makeOwned(disk);
  });
  afterAll(async () => {
    await run('umount', ['-l', disk]);
    await sandbox.close();
  });

  test('leaves a copy unfinished; what was moved aside makes room for it', async () => {
    const member = await managedMember(sandbox, postgres, 'small', { dataDir: join(disk, 'data') });
    // Told to leave what it has, as it is when the machine dies.
    const options = [{ name: 'no-clean', value: null }];
    const untidy = createManagedServer({ ...member.settings, replicaMethods: [{ kind: 'basebackup', options }] });
    const filler = join(disk, 'filler');
    await writeFile(filler, Buffer.alloc(50 * 1024 * 1024));
    await expect(member.server.clone(upstreamOf(primary), primary.url, never)).rejects.toThrow(
      /No space left on device/,
    );
    expect(await member.server.inspect(never)).toEqual({ kind: 'empty' });
    await expect(untidy.clone(upstreamOf(primary), primary.url, never)).rejects.toThrow(/No space left on device/);
    expect(await member.server.inspect(never)).toEqual({ kind: 'unfinished', what: 'clone' });
    await member.server.removeData(never);
    await run('rm', [filler]);
    await member.server.clone(upstreamOf(primary), primary.url, never);
    // Of no unfinished work, so it is kept; and there is no room for another.
    await member.server.removeData(never);
    expect(await readdir(disk)).toContain('data.failed-1');
    await member.server.clone(upstreamOf(primary), primary.url, never);
    expect((await member.server.inspect(never)).kind).toBe('cluster');
    expect(await readdir(disk)).not.toContain('data.failed-1');
  });

  test('on a mount point, and with WAL and a tablespace elsewhere, the data is deleted to the last', async () => {
    const [wal, space] = [join(primary.home, 'wal'), join(primary.home, 'space')];
    await makeOwned(space);
    await primary.query(`create tablespace elsewhere location '${space}'`);
    await primary.query('create table far (i int) tablespace elsewhere');
    const options = [
      { name: 'waldir', value: wal },
      { name: 'tablespace-mapping', value: `${space}=${space}2` },
    ];
    await run('find', [disk, '-mindepth', '1', '-delete']);
    const member = await managedMember(sandbox, postgres, 'spread', {
      dataDir: disk,
      replicaMethods: [{ kind: 'basebackup', options }],
    });
    for (const attempt of [1, 2]) {
      await member.server.clone(upstreamOf(primary), primary.url, never);
      expect([attempt, (await readdir(wal)).length > 0, (await readdir(`${space}2`)).length]).toEqual([
        attempt,
        true,
        1,
      ]);
      await member.server.removeData(never);
      expect(await member.server.inspect(never)).toEqual({ kind: 'empty' });
      expect([attempt, await readdir(wal), await readdir(`${space}2`)]).toEqual([attempt, [], []]);
    }
  });
});
